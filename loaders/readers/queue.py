"""Messages of a queue: received in batches, acknowledged after their load is committed.

A broker is three calls: receive, acknowledge, lag.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import dlt

from loaders.columns import columns
from loaders.commit import after_commit
from loaders.dispositions import REPLACE_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlt.common.schema.typing import TColumnSchema
    from dlt.extract import DltResource


MESSAGES_AT_ONCE: Final = 10_000
MESSAGE_ID: Final = columns(message_id="text")


class Broker(Protocol):
    """What a queue must be able to do."""

    def receive(self, count: int) -> list[dict[str, Any]]:
        """Return up to `count` messages, each with `message_id`; none when the queue is drained.

        Messages that were received before and never acknowledged come first.
        """

    def acknowledge(self, message_ids: list[str]) -> None:
        """Tell the queue that these messages are safe."""

    def lag(self) -> int:
        """Return how many messages wait."""


def messages(
    name: str,
    broker: Broker,
    *,
    columns: dict[str, TColumnSchema],
    batch_size: int = MESSAGES_AT_ONCE,
    max_messages: int = 1_000_000,
) -> DltResource:
    """Return a resource of the messages that wait in a queue, merged on `message_id`.

    Args:
        name: the raw table's name.
        broker: the queue.
        columns: declared columns of the message's fields; `message_id` is added.
        batch_size: messages received at once; bounds memory.
        max_messages: messages taken in one load, so that a load ends while messages go on coming.
    """
    resource = dlt.resource(
        _received,
        name=name,
        columns={**MESSAGE_ID, **columns},
        primary_key="message_id",
        write_disposition=REPLACE_KEYS,
    )
    return resource(broker, batch_size, max_messages)


def _received(broker: Broker, batch_size: int, max_messages: int) -> Iterator[list[dict[str, Any]]]:
    taken = 0
    while taken < max_messages:
        page = broker.receive(min(batch_size, max_messages - taken))
        if not page:
            return
        ids = [str(message["message_id"]) for message in page]
        after_commit(partial(broker.acknowledge, ids))
        taken += len(page)
        yield page
