"""A Redis stream read by a consumer group."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import redis

from loaders.addresses import read_address
from loaders.readers.queue import Message, from_json

if TYPE_CHECKING:
    from collections.abc import Iterable

OLDEST: Final = "0-0"
CLAIM_AFTER: Final = 900.0
COUNT_BEHIND: Final = "return #redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+')"
MOST_PENDING: Final = 1_000_000
NO_TEXT: Final = "holds bytes that are no UTF-8"
GONE: Final = "the stream was trimmed before this message was loaded"
TRIMMED: Final = "~"
"""Ends the id of what stands for messages that were trimmed before anybody received them."""


class RedisStream:
    """The three calls of a queue on a Redis stream.

    The consumer has a fixed name, so that what a killed load received and never acknowledged
    comes first to the next one. What another consumer left lying is claimed.

    Args:
        url: Redis URL.
        stream: the stream's name.
        group: the consumer group's name; it is made when it does not exist.
        consumer: our name in the group; machines that load side by side have one each.
        claim_after: seconds after which another consumer's message, received and not
            acknowledged, is taken to be left behind: more than its longest load.
        body: the field that holds the message as a JSON object; without one, a message's fields
            are its columns.
    """

    def __init__(
        self,
        url: str,
        stream: str,
        group: str,
        *,
        consumer: str = "tidemill",
        claim_after: float = CLAIM_AFTER,
        body: str | None = None,
    ) -> None:
        self.origin = self.stream = stream
        self.group = group
        self.body = body
        self.consumer = consumer
        self.claim_after = claim_after
        self.pending_from = OLDEST
        self.claim_from: str | None = OLDEST
        self.waiting = [self._own, self._claimed, self._trimmed]
        self.gone: set[str] = set()
        self.lost: dict[str, int] = {}
        with read_address("redis://user:password@host:6379/0"):
            self.client = redis.Redis.from_url(
                url, decode_responses=True, encoding_errors="surrogateescape"
            )
        self._ensure_group()

    def receive(self, count: int, wait: float) -> list[Message]:
        """Return up to `count` messages: our own of before, others' left behind, then new ones."""
        while self.waiting:
            page = self.waiting[0](count)
            if page:
                return page
            self.waiting.pop(0)
        return self._read(">", count, wait)

    def acknowledge(self, message_ids: list[str]) -> None:
        """Tell the group that these messages are safe in the warehouse."""
        if there := [one for one in message_ids if one not in self.lost]:
            self.client.xack(self.stream, self.group, *there)
        for count in [self.lost.pop(one) for one in message_ids if one in self.lost]:
            _, group = self._state()
            last, read = group["last-delivered-id"], int(group["entries-read"]) + count
            self.client.xgroup_setid(self.stream, self.group, last, entries_read=read)

    def lag(self) -> int:
        """Return how many messages the group has not received or not acknowledged."""
        stream, group = self._state()
        behind: Any = group.get("lag")  # Redis before 7 does not tell
        if _is_all_new(stream, group):
            behind = stream["length"]
        elif behind is None:
            last = str(group["last-delivered-id"])
            behind = self.client.eval(COUNT_BEHIND, 1, self.stream, last)
        return int(behind) + int(group["pending"])

    def close(self) -> None:
        """Let go of the connection."""
        self.client.close()

    def _ensure_group(self) -> None:
        try:
            self.client.xgroup_create(self.stream, self.group, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def _own(self, count: int) -> list[Message]:
        page = self._read(self.pending_from, count, 0)
        if page:
            self.pending_from = page[-1].message_id
        return self._with_deliveries(page)

    def _claimed(self, count: int) -> list[Message]:
        page: list[Message] = []
        idle = int(self.claim_after * 1000)
        while not page and self.claim_from is not None:
            answer: Any = self.client.xautoclaim(
                self.stream, self.group, self.consumer, idle, self.claim_from, count
            )
            self.claim_from = answer[0] if answer[0] != OLDEST else None
            entries, *gone = answer[1:]  # Redis before 7 has those that are gone among the entries
            entries += [(one, None) for one in chain(*gone) if one not in self.gone]
            page = self._messages(entries)
        return self._with_deliveries(page)

    def _trimmed(self, _: int) -> list[Message]:
        """Return what stands for messages that nobody received before they went, once."""
        stream, group = self._state()
        read = group.get("entries-read")
        if self.lost or read is None or not _is_all_new(stream, group):
            return []
        count = int(stream["entries-added"]) - int(read) - int(stream["length"])
        if count <= 0:
            return []
        message_id = f"{stream['max-deleted-entry-id']}{TRIMMED}{count}"
        self.lost = {message_id: count}
        problem = f"{count:,} messages were trimmed from the stream before they were received"
        return [Message(message_id, None, problem=problem)]

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what Redis tells of the stream, and a moment later of our group."""
        asked = self.client.pipeline(transaction=False)
        asked.xinfo_stream(self.stream)
        asked.xinfo_groups(self.stream)
        stream, groups = asked.execute()
        return stream, next(found for found in groups if found["name"] == self.group)

    def _read(self, after: str, count: int, wait: float) -> list[Message]:
        block = int(wait * 1000) or None
        answer: Any = self.client.xreadgroup(
            self.group, self.consumer, {self.stream: after}, count, block
        )
        return self._messages(answer[0][1] if answer else [])

    def _messages(
        self, entries: Iterable[tuple[str | None, dict[str, str] | None]]
    ) -> list[Message]:
        return [self._message(one, fields) for one, fields in entries if one is not None]

    def _message(self, message_id: str, fields: dict[str, str] | None) -> Message:
        if not fields:
            self.gone.add(message_id)
            return Message(message_id, None, problem=GONE)
        if self.body in fields:
            return from_json(message_id, _raw(fields[self.body]), 1)
        if self.body:
            problem = f"has no field '{self.body}'"
            return Message(message_id, None, body=str(fields), problem=problem)
        text = "".join([*fields, *fields.values()])
        if not text.isascii() and text.encode(errors="replace") != _raw(text):
            shown = str({_raw(name): _raw(value) for name, value in fields.items()})
            return Message(message_id, None, body=shown, problem=NO_TEXT)
        return Message(message_id, fields)

    def _with_deliveries(self, page: list[Message]) -> list[Message]:
        if not page:
            return page
        ids = sorted((message.message_id for message in page), key=_in_order)
        pending: Any = self.client.xpending_range(
            self.stream, self.group, ids[0], ids[-1], MOST_PENDING, self.consumer
        )
        times = {entry["message_id"]: int(entry["times_delivered"]) for entry in pending}
        return [message._replace(deliveries=times.get(message.message_id, 1)) for message in page]


def _is_all_new(stream: dict[str, Any], group: dict[str, Any]) -> bool:
    """Tell whether the group has received nothing of what the stream still has."""
    if not (first := stream["first-entry"]):
        return True
    return _in_order(str(first[0])) > _in_order(str(group["last-delivered-id"]))


def _in_order(message_id: str) -> tuple[int, int]:
    moment, _, number = message_id.partition("-")
    return int(moment), int(number)


def _raw(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
