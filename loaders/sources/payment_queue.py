"""The shop's payments, as messages of a Redis stream."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import dlt

from loaders.columns import columns
from loaders.readers.queue import MESSAGES_AT_ONCE, Batch, messages
from loaders.readers.redis_stream import RedisStream

if TYPE_CHECKING:
    from dlt.extract import DltResource

PAYMENTS: Final = columns(
    payment_id="bigint",
    order_id="bigint",
    amount="decimal(18, 2)",
    currency="text",
    method="text",
    status="text",
    paid_at="timestamp",
)


@dlt.source
def payment_queue(
    url: str = dlt.secrets.value,
    stream: str = "payments",
    group: str = "tidemill",
    batch_size: int = MESSAGES_AT_ONCE,
) -> DltResource:
    """Read the payments that wait in the stream.

    Args:
        url: Redis URL, such as redis://localhost:6379/0.
        stream: the stream's name.
        group: the consumer group's name; it is made when it does not exist.
        batch_size: messages received at once.
    """
    connect = partial(RedisStream, url, stream, group)
    return messages("payments", connect, columns=PAYMENTS, batch=Batch(at_once=batch_size))


if __name__ == "__main__":
    from loaders.script import main

    main("payment_queue")
