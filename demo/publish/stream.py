"""Payments of a day onto the Redis stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo.days import milliseconds_of

if TYPE_CHECKING:
    import duckdb

STREAM = "payments"
BATCH = 1000
FIELDS = ("payment_id", "order_id", "amount", "currency", "method", "status", "paid_at")

MESSAGES = """
select
    number,
    case when dirt = 'payment_missing' then null when dirt = 'payment_text' then 'pay-x'
        else cast(payment_id as text) end as payment_id,
    if(dirt = 'order_missing', null, cast(order_id as text)) as order_id,
    case when dirt = 'amount_missing' then null when dirt = 'amount_text' then 'a lot'
        when dirt = 'amount_negative' then concat('-', money(amount_cents))
        else cast(money(amount_cents) as text) end as amount,
    if(dirt = 'currency_unknown', 'DOGE', currency) as currency,
    method,
    status,
    if(dirt = 'paid_text', 'soon', iso(paid_at)) as paid_at,
from payments
where day = $day
order by number
"""


def publish_stream(connection: duckdb.DuckDBPyConnection, port: int, day: int) -> None:
    """Add a day's messages; those whose ids the stream has passed already are left out.

    The id of a message is the day's epoch milliseconds plus its number, so nothing doubles.
    """
    import redis

    messages = connection.execute(MESSAGES, {"day": day}).fetchall()
    with redis.Redis(port=port, decode_responses=True) as queue:
        last = _last_number(queue, day)
        new = [message for message in messages if message[0] > last]
        for start in range(0, len(new), BATCH):
            _add(queue, day, new[start : start + BATCH])


def _last_number(queue: object, day: int) -> int:
    if not queue.exists(STREAM):  # type: ignore[attr-defined]
        return 0
    last = queue.xinfo_stream(STREAM)["last-generated-id"]  # type: ignore[attr-defined]
    return int(last.split("-")[0]) - milliseconds_of(day)


def _add(queue: object, day: int, messages: list[tuple[object, ...]]) -> None:
    pipeline = queue.pipeline(transaction=False)  # type: ignore[attr-defined]
    for number, *values in messages:
        fields = {name: value for name, value in zip(FIELDS, values, strict=True) if value}
        pipeline.xadd(STREAM, fields, id=f"{milliseconds_of(day) + number}-0")  # type: ignore[operator]
    pipeline.execute()
