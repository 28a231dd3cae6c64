"""A Redis stream read by a consumer group."""

from __future__ import annotations

from typing import Any, Final

import redis

OLDEST: Final = "0-0"


class RedisStream:
    """The three calls of a queue on a Redis stream.

    The consumer has a fixed name, so that what a killed load received and never acknowledged
    comes first to the next one.
    """

    def __init__(self, url: str, stream: str, group: str, *, consumer: str = "tidemill") -> None:
        self.stream = stream
        self.group = group
        self.consumer = consumer
        self.pending_from: str | None = OLDEST
        self.client = redis.Redis.from_url(url, decode_responses=True, encoding_errors="replace")

    def receive(self, count: int) -> list[dict[str, Any]]:
        """Return up to `count` messages, first those received before and never acknowledged."""
        self._ensure_group()
        if self.pending_from is not None:
            page = self._read(self.pending_from, count)
            if page:
                self.pending_from = page[-1]["message_id"]
                return page
            self.pending_from = None
        return self._read(">", count)

    def acknowledge(self, message_ids: list[str]) -> None:
        """Tell the group that these messages are safe in the warehouse."""
        self.client.xack(self.stream, self.group, *message_ids)

    def lag(self) -> int:
        """Return how many messages the group has not received or not acknowledged."""
        for group in self.client.xinfo_groups(self.stream):
            if group["name"] == self.group:
                return int(group.get("lag") or 0) + int(group["pending"])
        return int(self.client.xlen(self.stream))

    def _ensure_group(self) -> None:
        try:
            self.client.xgroup_create(self.stream, self.group, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def _read(self, after: str, count: int) -> list[dict[str, Any]]:
        answer: Any = self.client.xreadgroup(self.group, self.consumer, {self.stream: after}, count)
        entries = answer[0][1] if answer else []
        return [{**fields, "message_id": message_id} for message_id, fields in entries]
