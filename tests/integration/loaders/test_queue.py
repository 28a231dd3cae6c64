"""Messages of a stream are loaded once each, whoever dies, however often they are delivered."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from loaders.errors import LoaderError, SourceRefused
from loaders.load import load
from loaders.readers import queue
from loaders.readers.queue import Batch, messages
from loaders.readers.redis_stream import RedisStream
from loaders.sources.payment_queue import PAYMENTS, payment_queue
from tests.integration.loaders.queue_child import STAGES, load_and_die

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlt.extract import DltSource

    from loaders.load import LoadResult
    from loaders.warehouse import Target

GROUP = "tidemill"


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as opened:
        yield opened


def send(client: Redis, *numbers: int, amount: str = "12.50") -> list[str]:
    fields = {"currency": "EUR", "method": "card", "status": "succeeded"}
    moment = "2026-01-01T10:00:00Z"
    return [
        str(
            client.xadd(
                "payments",
                {"payment_id": n, "order_id": n, "amount": amount, "paid_at": moment, **fields},
            )
        )
        for n in numbers
    ]


def counts(result: LoadResult) -> list[tuple[int, int, int, int]]:
    return [(t.read, t.loaded, t.collapsed, t.rejected) for t in result.tables]


def fetch(target: Target, sql: str) -> list[tuple[Any, ...]]:
    with target.connect() as connection:
        return connection.execute(sql).fetchall()


def distinct(target: Target) -> tuple[Any, ...]:
    sql = "select count(*), count(distinct message_id) from raw_payment_queue.payments"
    return fetch(target, sql)[0]


def small(url: str, batch: Batch, **settings: Any) -> DltSource:
    """A source of the same stream with limits of its own."""
    import dlt

    connect = partial(RedisStream, url, "payments", GROUP, **settings)

    @dlt.source(name="payment_queue")
    def source() -> Any:
        return messages("payments", connect, columns=PAYMENTS, batch=batch)

    return source()


def test_messages_are_loaded_once_and_acknowledged(
    target: Target, redis_url: str, client: Redis
) -> None:
    send(client, *range(25))
    assert counts(load(payment_queue(redis_url, batch_size=10), target=target)) == [(25, 25, 0, 0)]
    assert client.xpending("payments", GROUP)["pending"] == 0
    assert counts(load(payment_queue(redis_url), target=target)) == []
    send(client, 25)
    assert counts(load(payment_queue(redis_url), target=target)) == [(1, 1, 0, 0)]
    assert distinct(target) == (26, 26)


@pytest.mark.parametrize("at_once", [1, 7, 1_000, 100_000])
def test_the_batch_size_changes_nothing(
    duckdb_target: Target, redis_url: str, client: Redis, at_once: int
) -> None:
    send(client, *range(30))
    result = load(payment_queue(redis_url, batch_size=at_once), target=duckdb_target)
    assert counts(result) == [(30, 30, 0, 0)]
    assert distinct(duckdb_target) == (30, 30)


def test_messages_delivered_again_change_nothing(
    target: Target, redis_url: str, client: Redis
) -> None:
    send(client, *range(20))
    send(client, 20, amount="much")
    load(payment_queue(redis_url), target=target)
    every = "select * from raw_payment_queue.payments order by message_id"
    rejects = "select * from raw_payment_queue._rejects"
    before = fetch(target, every), fetch(target, rejects)
    client.xgroup_setid("payments", GROUP, "0")
    assert counts(load(payment_queue(redis_url), target=target)) == [(21, 0, 21, 0)]
    assert (fetch(target, every), fetch(target, rejects)) == before
    assert client.xpending("payments", GROUP)["pending"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_load_killed_anywhere_loses_and_doubles_nothing(
    target: Target, redis_url: str, client: Redis, stage: str
) -> None:
    send(client, *range(100))
    assert load_and_die(target, redis_url, stage) == -9
    send(client, *range(100, 110))
    assert load_and_die(target, redis_url, "acknowledge") == -9
    load(payment_queue(redis_url), target=target)
    assert distinct(target) == (110, 110)
    assert client.xpending("payments", GROUP)["pending"] == 0
    assert counts(load(payment_queue(redis_url), target=target)) == []


def test_at_most_so_many_messages_are_taken_and_the_rest_is_told(
    duckdb_target: Target, redis_url: str, client: Redis
) -> None:
    send(client, *range(25))
    result = load(small(redis_url, Batch(at_once=4, messages=10)), target=duckdb_target)
    assert counts(result) == [(10, 10, 0, 0)]
    assert result.notices == ("15 messages of 'payments' wait for the next load.",)
    rest = load(small(redis_url, Batch()), target=duckdb_target)
    assert counts(rest) == [(15, 15, 0, 0)]
    assert rest.notices == ()


def test_a_batch_ends_when_its_time_is_over(
    duckdb_target: Target, redis_url: str, client: Redis
) -> None:
    send(client, *range(10))
    result = load(small(redis_url, Batch(at_once=4, seconds=0)), target=duckdb_target)
    assert counts(result) == [(4, 4, 0, 0)]


def test_a_drained_queue_is_waited_at_when_asked(
    duckdb_target: Target, redis_url: str, client: Redis
) -> None:
    load(small(redis_url, Batch()), target=duckdb_target)
    begun = time.monotonic()
    assert counts(load(small(redis_url, Batch(wait=0.5)), target=duckdb_target)) == []
    assert time.monotonic() - begun >= 0.5


def test_messages_of_a_dead_consumer_are_claimed(
    duckdb_target: Target, redis_url: str, client: Redis
) -> None:
    send(client, *range(12))
    dead = RedisStream(redis_url, "payments", GROUP, consumer="dead")
    assert len(dead.receive(5, 0)) == 5
    slow = load(small(redis_url, Batch(at_once=2), claim_after=60), target=duckdb_target)
    assert counts(slow) == [(7, 7, 0, 0)]
    assert slow.notices == ("5 messages of 'payments' wait for the next load.",)
    time.sleep(0.1)
    claiming = load(small(redis_url, Batch(at_once=2), claim_after=0.1), target=duckdb_target)
    assert counts(claiming) == [(5, 5, 0, 0)]
    assert client.xpending("payments", GROUP)["pending"] == 0
    dead.close()


def test_what_is_no_text_is_rejected_and_a_messages_own_id_is_kept(
    duckdb_target: Target, redis_url: str, client: Redis
) -> None:
    client.xadd("payments", {"payment_id": 1, "message_id": "theirs"})
    client.xadd("payments", {"payment_id": 2, "note": b"\xff\xfe"})
    assert counts(load(payment_queue(redis_url), target=duckdb_target)) == [(2, 1, 0, 1)]
    sql = "select payment_id, message_id_2 from raw_payment_queue.payments"
    assert fetch(duckdb_target, sql) == [(1, "theirs")]
    sql = "select reason, payload from raw_payment_queue._rejects"
    shown = r"{b'payment_id': b'2', b'note': b'\xff\xfe'}"
    assert fetch(duckdb_target, sql) == [("holds bytes that are no UTF-8", shown)]


def test_a_message_may_be_json_in_one_field(
    duckdb_target: Target, redis_url: str, client: Redis
) -> None:
    exact = '{"payment_id": 1, "note": 0.12345678901234567890}'
    for fields in ({"data": exact}, {"data": "{"}, {"data": "{"}, {"other": "1"}):
        client.xadd("payments", fields)
    source = small(redis_url, Batch(), body="data")
    assert counts(load(source, target=duckdb_target)) == [(4, 1, 0, 3)]
    sql = "select payment_id, note from raw_payment_queue.payments"
    assert fetch(duckdb_target, sql) == [(1, "0.12345678901234567890")]
    sql = "select reason from raw_payment_queue._rejects order by 1"
    told = ["has no field 'data'", "not valid JSON", "not valid JSON"]
    assert fetch(duckdb_target, sql) == [(reason,) for reason in told]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("redis://ann:hush@", "refused us: .* Check user, password"),
        ("redis://", "answers, but not as asked: WRONGTYPE"),
    ],
)
def test_a_queue_that_does_not_answer_as_asked_is_told(
    duckdb_target: Target, redis_url: str, client: Redis, address: str, told: str
) -> None:
    client.set("payments", "no stream")
    with pytest.raises(SourceRefused, match=told) as error:
        load(payment_queue(redis_url.replace("redis://", address)), target=duckdb_target)
    assert "hush" not in str(error.value)


def test_a_trimmed_message_is_told_as_a_reject(
    duckdb_target: Target, redis_url: str, client: Redis
) -> None:
    first, *_ = send(client, 1, 2)
    taken = RedisStream(redis_url, "payments", GROUP)
    taken.receive(2, 0)
    taken.close()
    client.xdel("payments", first)
    assert counts(load(payment_queue(redis_url), target=duckdb_target)) == [(2, 1, 0, 1)]
    sql = "select reason, origin, position from raw_payment_queue._rejects"
    reason = "the stream was trimmed before this message was loaded"
    assert fetch(duckdb_target, sql) == [(reason, "payments", first)]


def test_a_message_whose_load_keeps_failing_is_rejected_alone(
    duckdb_target: Target, redis_url: str, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = send(client, *range(60))[25]
    judged = queue._judged

    def failing(table: str, broker: Any, page: Any, *, is_poison: bool) -> Any:
        if not is_poison and any(message.message_id == poison for message in page):
            raise MemoryError
        yield from judged(table, broker, page, is_poison=is_poison)

    monkeypatch.setattr(queue, "_judged", failing)
    failures = 0
    while True:
        try:
            result = load(small(redis_url, Batch(tries=4)), target=duckdb_target)
            break
        except LoaderError:
            failures += 1
    assert failures == 4
    assert distinct(duckdb_target) == (59, 59)
    sql = "select reason, position from raw_payment_queue._rejects"
    reason = "the load of this message failed 4 times, at last by itself"
    assert fetch(duckdb_target, sql) == [(reason, poison)]
    assert client.xpending("payments", GROUP)["pending"] == 0
    assert sum(table.read for table in result.tables) <= 60


def test_a_queue_that_is_away_can_be_tried_again(duckdb_target: Target) -> None:
    with pytest.raises(LoaderError, match="queue of the source 'payment_queue'") as told:
        load(payment_queue("redis://127.0.0.1:1/0"), target=duckdb_target)
    assert told.value.retryable
