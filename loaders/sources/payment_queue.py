"""The shop's payments, as messages of a Redis stream."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import dlt

from loaders.columns import columns
from loaders.readers.queue import MESSAGES_AT_ONCE, Batch, messages
from loaders.readers.redis_stream import CLAIM_AFTER, RedisStream

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
    messages_a_load: int = 1_000_000,
    seconds_a_load: float = 300.0,
    tries: int = 5,
    claim_after: float = CLAIM_AFTER,
) -> DltResource:
    """Read the payments that wait in the stream.

    Args:
        url: Redis URL, such as redis://localhost:6379/0.
        stream: the stream's name.
        group: the consumer group's name; it is made when it does not exist.
        batch_size: messages received at once.
        messages_a_load: messages taken in one load at most.
        seconds_a_load: seconds after which a load receives no more.
        tries: how often a message whose load fails is tried before it is rejected.
        claim_after: seconds after which another consumer's unacknowledged messages are ours.
    """
    connect = partial(RedisStream, url, stream, group, claim_after=claim_after)
    batch = Batch(at_once=batch_size, messages=messages_a_load, seconds=seconds_a_load, tries=tries)
    return messages("payments", connect, columns=PAYMENTS, batch=batch)


if __name__ == "__main__":
    from loaders.script import main

    main("payment_queue")
