"""Messages of a queue: received in batches, acknowledged after their load is committed.

A broker is three calls: receive, acknowledge, lag. The warehouse itself tells which messages it
has: what is delivered again changes nothing.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import dlt
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from loaders.accounting import tally
from loaders.columns import columns, literal, quoted
from loaders.commit import after_commit, at_end, load_again
from loaders.dispositions import REPLACE_KEYS
from loaders.drift import FREEZE, contracted
from loaders.exact import as_json, parsed
from loaders.explain import first_line
from loaders.gate import normalize
from loaders.quarantine import rejects
from loaders.raw_client import current_pipeline, sql_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dlt.common.schema.typing import TColumnSchema, TSchemaContract
    from dlt.extract import DltResource


MESSAGES_AT_ONCE: Final = 10_000
ID: Final = "message_id"
MESSAGE_ID: Final = columns(message_id="text")
APART: Final = {3: 100, 2: 10, 1: 1}
"""Tries left to a message that comes again, to how many messages are then loaded together."""
FEWEST_TRIES: Final = 4


class Message(NamedTuple):
    """One message as a broker delivers it."""

    message_id: str
    """The same each time that the message is delivered."""
    fields: dict[str, Any] | None
    """What it says; None when it cannot be read."""
    deliveries: int = 1
    """How many times it has been delivered, this time included."""
    body: str = ""
    """The text of a message that cannot be read."""
    problem: str = ""
    """Why it cannot be read."""


class Broker(Protocol):
    """What a queue must be able to do; `close()` is called at the load's end if there is one."""

    origin: str
    """Where the messages come from, as rejects name it."""

    def receive(self, count: int, wait: float) -> list[Message]:
        """Return up to `count` messages, none when the queue is drained.

        Messages that were received before and never acknowledged come first. Of a drained queue
        the first message is waited for `wait` seconds.
        """

    def acknowledge(self, message_ids: list[str]) -> None:
        """Tell the queue that these messages, the oldest that are not, are safe."""

    def lag(self) -> int:
        """Return how many messages wait."""


class Batch(NamedTuple):
    """How much is taken in one load."""

    at_once: int = MESSAGES_AT_ONCE
    """Messages received at once; bounds memory."""
    messages: int = 1_000_000
    """Messages at most, so that a load ends while messages go on coming."""
    seconds: float = 300.0
    """Seconds at most."""
    wait: float = 0.0
    """Seconds to wait for the next message of a drained queue; 0 ends the load there."""
    tries: int = 5
    """Times that a message whose load keeps failing is tried before it is rejected; 4 or more."""


def messages(
    name: str,
    connect: Callable[[], Broker],
    *,
    columns: dict[str, TColumnSchema],
    batch: Batch | None = None,
    schema_contract: TSchemaContract | None = None,
) -> DltResource:
    """Return a resource of the messages that wait in a queue, merged on `message_id`.

    A message whose load fails again and again is loaded with 100 others, with 10, then alone, and
    goes to `_rejects` when that has failed too: what came with it is not held up.

    Args:
        name: the raw table's name.
        connect: gives the queue, once for each load.
        columns: declared columns of the message's fields; `message_id` is added.
        batch: how much is taken in one load.
        schema_contract: what a new field does; EVOLVE, FREEZE or QUARANTINE of `loaders.drift`.
    """
    resource = dlt.resource(
        _received,
        name=name,
        columns={**MESSAGE_ID, **columns},
        primary_key="message_id",
        write_disposition=REPLACE_KEYS,
    )
    return contracted(resource(name, connect, batch or Batch()), schema_contract)


def from_json(message_id: str, body: bytes, deliveries: int) -> Message:
    """Return the message of a body that should be a JSON object."""
    try:
        fields = parsed(body)
    except ValueError:
        fields, problem = None, "not valid JSON"
    else:
        problem = "" if isinstance(fields, dict) else "not a JSON object"
    if problem:
        text = body.decode(errors="replace")
        return Message(message_id, None, deliveries, body=text, problem=problem)
    return Message(message_id, fields, deliveries)


def _received(table: str, connect: Callable[[], Broker], batch: Batch) -> Iterator[Any]:
    """Receive until the queue is drained or the batch is full; the caller is dlt."""
    broker = connect()
    at_end(getattr(broker, "close", lambda: None))
    until = time.monotonic() + batch.seconds
    page = broker.receive(1, batch.wait)
    left = max(max(batch.tries, FEWEST_TRIES) + 1 - page[0].deliveries, 0) if page else 0
    most = min(APART.get(max(left, 1), batch.messages), batch.messages)
    if page and left in (0, *APART):
        load_again()
    if page and most > 1:
        page += broker.receive(min(batch.at_once, most) - 1, 0) if batch.at_once > 1 else []
    taken = 0
    while page:
        taken += len(page)
        after_commit(partial(broker.acknowledge, [message.message_id for message in page]))
        yield from _judged(table, broker, page, is_poison=left == 0)
        room = min(batch.at_once, most - taken)
        is_over = room <= 0 or time.monotonic() >= until
        page = [] if is_over else broker.receive(room, batch.wait)
    after_commit(partial(_tell_lag, table, broker))


def _judged(
    table: str, broker: Broker, page: Sequence[Message], *, is_poison: bool
) -> Iterator[Any]:
    """Yield the rows of the messages that are new, then the rejects among them."""
    held = _held(table, [message.message_id for message in page])
    new = [message for message in page if message.message_id not in held]
    tally().add(table, read=len(held))
    is_poison = is_poison and not any(_is_frozen_out(table, message) for message in new)
    good = [message for message in new if message.fields is not None and not is_poison]
    if good:
        yield _Page(broker.origin, good)
    refused = new if is_poison else [message for message in new if message.fields is None]
    if refused:
        tally().add(table, read=len(refused))
        yield rejects(
            table,
            [
                {
                    "reason": message.problem or _kept_failing(message),
                    "payload": _text(message),
                    "origin": broker.origin,
                    "position": message.message_id,
                }
                for message in refused
            ],
            load_id=tally().load_id,
        )


def _is_frozen_out(table: str, message: Message) -> bool:
    """Tell whether it is a message's shape that stops its table, until somebody decides."""
    rule = tally().rule(table)
    return rule.policy == FREEZE and bool(rule.unknown(map(normalize, message.fields or {})))


class _Page(list[dict[str, Any]]):
    """Rows for the gate, which know where they come from."""

    def __init__(self, origin: str, messages: Sequence[Message]) -> None:
        super().__init__(map(_row, messages))
        self.origin = origin


def _kept_failing(message: Message) -> str:
    return f"the load of this message failed {message.deliveries - 1} times, at last by itself"


def _text(message: Message) -> str:
    """Return a message as the gate would keep it."""
    if message.fields is None:
        return message.body
    return as_json(_row(message))


def _row(message: Message) -> dict[str, Any]:
    """Return a message's fields with its id; one of its own with that name becomes another."""
    fields = message.fields or {}
    if ID in fields:
        fields = {f" {ID}" if name == ID else name: value for name, value in fields.items()}
    return {**fields, ID: message.message_id}


def _held(table: str, ids: list[str]) -> set[str]:
    """Return which messages are in the warehouse already."""
    pipeline = current_pipeline()
    schema = quoted(pipeline.dataset_name)
    found: set[str] = set()
    with sql_client(pipeline) as client:
        for begin in range(0, len(ids), MESSAGES_AT_ONCE):
            some = ", ".join(map(literal, ids[begin : begin + MESSAGES_AT_ONCE]))
            sql = (
                f"select message_id from {schema}.{quoted(table)} where message_id in ({some}) "
                f"and _dlt_load_id in (select load_id from {schema}._dlt_loads where status = 0)"
            )
            try:
                found |= {str(message_id) for (message_id,) in client.execute_sql(sql) or []}
            except DatabaseUndefinedRelation:
                break
    return found


def _tell_lag(table: str, broker: Broker) -> None:
    try:
        waiting = broker.lag()
    except Exception as error:  # noqa: BLE001 - all is loaded and acknowledged: that holds
        why = first_line(error)
        tally().notices.append(f"How many messages of '{table}' wait cannot be told: {why}.")
        return
    if waiting:
        tally().notices.append(f"{waiting:,} messages of '{table}' wait for the next load.")
