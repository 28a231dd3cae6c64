"""A real RabbitMQ is read like any queue: once each, given back when a load dies."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import dlt
import pytest

from loaders.errors import LoaderError
from loaders.load import load
from loaders.readers import queue
from loaders.readers.queue import Batch, messages
from loaders.sources.payment_queue import PAYMENTS
from tests.integration.loaders.rabbitmq import RabbitMQ, is_installed

pika = pytest.importorskip("pika", reason="pika is not installed (the extra 'brokers')")
from loaders.readers.amqp import AmqpQueue  # noqa: E402 - behind the look for pika

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlt.extract import DltSource

    from loaders.load import LoadResult
    from loaders.warehouse import Target

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    if not is_installed():
        pytest.skip("rabbitmq-server is not installed (apt-get install rabbitmq-server)")
    with RabbitMQ() as started:
        yield started.url


@pytest.fixture(params=["quorum", "classic"])
def channel(request: pytest.FixtureRequest, server: str) -> Iterator[Any]:
    """A channel with an empty queue named `payments`."""
    connection = pika.BlockingConnection(pika.URLParameters(server))
    opened = connection.channel()
    arguments = {"x-queue-type": request.param}
    opened.queue_declare("payments", durable=True, arguments=arguments)
    opened.confirm_delivery()
    yield opened
    opened.queue_delete("payments")
    connection.close()


def send(channel: Any, *numbers: int, body: bytes | None = None) -> None:
    for number in numbers:
        text = body or json.dumps({"payment_id": number, "amount": "1.50"}).encode()
        properties = pika.BasicProperties(message_id=f"m{number}", delivery_mode=2)
        channel.basic_publish("", "payments", text, properties)


def source(url: str, batch: Batch | None = None) -> DltSource:
    @dlt.source(name="payment_queue")
    def payments() -> Any:
        connect = partial(AmqpQueue, url, "payments")
        return messages("payments", connect, columns=PAYMENTS, batch=batch)

    return payments()


def counts(result: LoadResult) -> list[tuple[int, int, int, int]]:
    return [(t.read, t.loaded, t.collapsed, t.rejected) for t in result.tables]


def fetch(target: Target, sql: str) -> list[tuple[Any, ...]]:
    with target.connect() as connection:
        return connection.execute(sql).fetchall()


def test_messages_are_loaded_once_and_leave_the_queue(
    duckdb_target: Target, server: str, channel: Any
) -> None:
    send(channel, *range(25))
    send(channel, 3, 4)  # sent twice
    send(channel, 25, body=b"{broken")
    result = load(source(server, Batch(at_once=10)), target=duckdb_target)
    assert counts(result) == [(28, 25, 2, 1)]
    assert counts(load(source(server), target=duckdb_target)) == []
    assert fetch(duckdb_target, "select sum(payment_id) from raw_payment_queue.payments") == [
        (300,)
    ]
    sql = "select reason, payload, origin, position from raw_payment_queue._rejects"
    rejected = ("not valid JSON", "{broken", "payments", "m25")
    assert fetch(duckdb_target, sql) == [rejected]


def test_at_most_so_many_are_taken_and_the_rest_is_told(
    duckdb_target: Target, server: str, channel: Any
) -> None:
    send(channel, *range(9))
    result = load(source(server, Batch(at_once=2, messages=4)), target=duckdb_target)
    assert counts(result) == [(4, 4, 0, 0)]
    assert result.notices == ("5 messages of 'payments' wait for the next load.",)


def test_a_load_that_fails_gives_its_messages_back(
    duckdb_target: Target, server: str, channel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(channel, *range(20))
    with monkeypatch.context() as patched:
        patched.setattr(AmqpQueue, "acknowledge", _broken)
        with pytest.raises(LoaderError):
            load(source(server), target=duckdb_target)
    given_back(channel, 20)
    before = fetch(duckdb_target, "select * from raw_payment_queue.payments order by message_id")
    send(channel, 20)
    assert counts(load(source(server), target=duckdb_target)) == [(21, 1, 20, 0)]
    every = "select * from raw_payment_queue.payments where payment_id < 20 order by message_id"
    assert fetch(duckdb_target, every) == before
    assert len(before) == 20
    assert counts(load(source(server), target=duckdb_target)) == []


def given_back(channel: Any, count: int) -> None:
    """Wait until so many messages are ready again; the server hears of a lost reader in time."""
    until = time.monotonic() + 60
    while channel.queue_declare("payments", passive=True).method.message_count < count:
        assert time.monotonic() < until
        time.sleep(0.05)


def _broken(*_: object) -> None:
    raise pika.exceptions.AMQPConnectionError("gone")


@pytest.mark.parametrize("channel", ["quorum"], indirect=True)
def test_a_message_whose_load_keeps_failing_is_rejected_alone(
    duckdb_target: Target, server: str, channel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(channel, *range(15))
    judged = queue._judged

    def failing(table: str, broker: Any, page: Any, *, is_poison: bool) -> Any:
        if not is_poison and any(message.message_id == "m7" for message in page):
            raise MemoryError
        yield from judged(table, broker, page, is_poison=is_poison)

    monkeypatch.setattr(queue, "_judged", failing)
    until = time.monotonic() + 60  # a busy broker takes its time to deliver again
    told = (
        "select (select count(*) from raw_payment_queue.payments) "
        "+ (select count(*) from raw_payment_queue._rejects)"
    )
    while time.monotonic() < until:
        with suppress(LoaderError):
            load(source(server, Batch(tries=4)), target=duckdb_target)
        if fetch(duckdb_target, told) == [(15,)]:
            break
        time.sleep(0.5)
    sql = "select count(*), count(distinct message_id) from raw_payment_queue.payments"
    assert fetch(duckdb_target, sql) == [(14, 14)]
    assert fetch(duckdb_target, "select position from raw_payment_queue._rejects") == [("m7",)]


def test_a_server_that_is_away_can_be_tried_again(duckdb_target: Target) -> None:
    with pytest.raises(LoaderError, match="The queue of the source 'payment_queue'") as told:
        load(source("amqp://guest:guest@127.0.0.1:1/%2F"), target=duckdb_target)
    assert told.value.retryable
    assert "guest" not in str(told.value)
