"""A Kafka topic is read like any queue: once each, from the offset that stands after the commit."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import dlt
import pytest

from loaders.errors import LoaderError, SourceRefused
from loaders.load import load
from loaders.readers import queue
from loaders.readers.queue import Batch, messages
from loaders.sources.payment_queue import PAYMENTS

kafka = pytest.importorskip(
    "confluent_kafka", reason="confluent-kafka is not installed (the extra 'brokers')"
)
from loaders.readers.kafka import KafkaTopic  # noqa: E402 - behind the look for the library

if TYPE_CHECKING:
    from dlt.extract import DltSource

    from loaders.load import LoadResult
    from loaders.warehouse import Target

QUIET = {"log_level": 0}


class Cluster:
    """librdkafka's own test cluster of one broker; it ends with its producer."""

    def __init__(self) -> None:
        settings = {"test.mock.num.brokers": 1, "bootstrap.servers": "own", **QUIET}
        self.producer = kafka.Producer(settings)
        broker = next(iter(self.producer.list_topics(timeout=10).brokers.values()))
        self.servers = f"{broker.host}:{broker.port}"

    def send(self, *numbers: int, body: bytes | None = None) -> None:
        """Send payments, dealt out to three partitions."""
        for number in numbers:
            text = body or json.dumps({"payment_id": number, "amount": "1.50"}).encode()
            self.producer.produce("payments", text, partition=number % 3)
        assert self.producer.flush(20) == 0


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def source(
    cluster: Cluster, batch: Batch | None = None, group: str = "tidemill", **settings: Any
) -> DltSource:
    connect = partial(KafkaTopic, cluster.servers, "payments", group, QUIET, **settings)

    @dlt.source(name="payment_queue")
    def payments() -> Any:
        return messages("payments", connect, columns=PAYMENTS, batch=batch)

    return payments()


def counts(result: LoadResult) -> list[tuple[int, int, int, int]]:
    return [(t.read, t.loaded, t.collapsed, t.rejected) for t in result.tables]


def fetch(target: Target, sql: str) -> list[tuple[Any, ...]]:
    with target.connect() as connection:
        return connection.execute(sql).fetchall()


def test_messages_are_loaded_once(duckdb_target: Target, cluster: Cluster) -> None:
    cluster.send(*range(25))
    cluster.send(25, body=b"[1]")
    first = load(source(cluster, Batch(at_once=4)), target=duckdb_target)
    assert counts(first) == [(26, 25, 0, 1)]
    assert counts(load(source(cluster), target=duckdb_target)) == []
    cluster.send(26, 27)
    assert counts(load(source(cluster), target=duckdb_target)) == [(2, 2, 0, 0)]
    sql = "select count(distinct message_id), sum(payment_id) from raw_payment_queue.payments"
    assert fetch(duckdb_target, sql) == [(27, 300 + 26 + 27)]
    sql = "select reason, origin, position from raw_payment_queue._rejects"
    rejected = ("not a JSON object", "payments", f"1-{8:020}")
    assert fetch(duckdb_target, sql) == [rejected]


def test_at_most_so_many_are_taken_and_the_rest_is_told(
    duckdb_target: Target, cluster: Cluster
) -> None:
    cluster.send(*range(9))
    result = load(source(cluster, Batch(at_once=2, messages=4)), target=duckdb_target)
    assert counts(result) == [(4, 4, 0, 0)]
    assert result.notices == ("5 messages of 'payments' wait for the next load.",)
    assert counts(load(source(cluster), target=duckdb_target)) == [(5, 5, 0, 0)]


def test_messages_read_again_change_nothing(
    duckdb_target: Target, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.send(*range(12))
    with monkeypatch.context() as patched:
        patched.setattr(KafkaTopic, "acknowledge", _broken)
        with pytest.raises(LoaderError):
            load(source(cluster), target=duckdb_target)
    before = fetch(duckdb_target, "select * from raw_payment_queue.payments order by message_id")
    cluster.send(12)
    assert counts(load(source(cluster), target=duckdb_target)) == [(13, 1, 12, 0)]
    every = "select * from raw_payment_queue.payments where payment_id < 12 order by message_id"
    assert fetch(duckdb_target, every) == before
    assert len(before) == 12


def _broken(*_: object) -> None:
    raise kafka.KafkaException(kafka.KafkaError(kafka.KafkaError._TRANSPORT))


def test_a_message_whose_load_keeps_failing_is_rejected_alone(
    duckdb_target: Target, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.send(*range(36))
    poison = f"1-{7:020}"
    judged = queue._judged

    def failing(table: str, broker: Any, page: Any, *, is_poison: bool) -> Any:
        if not is_poison and any(message.message_id == poison for message in page):
            raise MemoryError
        yield from judged(table, broker, page, is_poison=is_poison)

    monkeypatch.setattr(queue, "_judged", failing)
    for _ in range(8):
        try:
            load(source(cluster, Batch(tries=4)), target=duckdb_target)
        except LoaderError:
            continue
    sql = "select count(*), count(distinct message_id) from raw_payment_queue.payments"
    assert fetch(duckdb_target, sql) == [(35, 35)]
    sql = "select reason, position from raw_payment_queue._rejects"
    reason = "the load of this message failed 4 times, at last by itself"
    assert fetch(duckdb_target, sql) == [(reason, poison)]


def test_a_message_is_waited_for_when_asked(duckdb_target: Target, cluster: Cluster) -> None:
    cluster.send(1)
    broker = KafkaTopic(cluster.servers, "payments", "other", QUIET)
    assert len(broker.receive(5, 0)) == 1
    assert broker.receive(5, 0) == []
    cluster.send(2)
    assert [message.fields for message in broker.receive(5, 10)] == [
        {"payment_id": 2, "amount": "1.50"}
    ]
    broker.close()


def test_whatever_a_partition_holds_is_a_row_or_a_reject(
    duckdb_target: Target, cluster: Cluster
) -> None:
    send = partial(cluster.producer.produce, "payments")
    send(b'{"payment_id": 1}', key=b"k1", partition=0, headers=[("trace", b"\xff\x00")])
    send(None, key=b"gone", partition=2)  # and partition 1 is empty
    send(b"\xff\xfe{", partition=2)
    send(b"", partition=2)
    send(b'{"payment_id": 2}', key=b"\xff", partition=2)
    assert cluster.producer.flush(20) == 0
    declared = source(cluster, Batch(at_once=2), key="customer")
    assert counts(load(declared, target=duckdb_target)) == [(5, 2, 0, 3)]
    sql = "select payment_id, customer from raw_payment_queue.payments order by 1"
    assert fetch(duckdb_target, sql) == [(1, "k1"), (2, "\\xff")]
    sql = "select reason, payload from raw_payment_queue._rejects order by position"
    assert fetch(duckdb_target, sql) == [
        ("has a key and no value: a tombstone", "gone"),
        ("not valid JSON", "\ufffd\ufffd{"),
        ("not valid JSON", ""),
    ]


def test_a_group_that_another_consumer_is_in_is_told(
    duckdb_target: Target, cluster: Cluster
) -> None:
    cluster.send(*range(9))
    place = {"bootstrap.servers": cluster.servers, "group.id": "tidemill", **QUIET}
    other = kafka.Consumer(place)
    other.subscribe(["payments"])
    until = time.monotonic() + 60
    while not other.assignment():
        assert time.monotonic() < until
        other.poll(0.2)
    with pytest.raises(LoaderError, match="Another consumer is a member of the group") as told:
        load(source(cluster), target=duckdb_target)
    assert told.value.retryable
    assert counts(load(source(cluster, group="ours"), target=duckdb_target)) == [(9, 9, 0, 0)]
    other.close()


def test_a_topic_that_was_made_anew_is_told(duckdb_target: Target, cluster: Cluster) -> None:
    cluster.send(1)
    consumer = kafka.Consumer(
        {"bootstrap.servers": cluster.servers, "group.id": "tidemill", **QUIET}
    )
    place = kafka.TopicPartition("payments", 1, 500)
    consumer.commit(offsets=[place], asynchronous=False)
    consumer.close()
    with pytest.raises(SourceRefused, match=r"read up to 500 of partition 1 .* ends at 1"):
        load(source(cluster), target=duckdb_target)
