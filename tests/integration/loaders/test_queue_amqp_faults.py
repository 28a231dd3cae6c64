"""A RabbitMQ that is killed, or whose wire is cut at any byte, loses and doubles nothing."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import dlt
import pytest

from loaders.errors import LoaderError
from loaders.load import load
from loaders.readers.queue import Batch, messages
from loaders.sources.payment_queue import PAYMENTS
from tests.integration.loaders.rabbitmq import RabbitMQ, is_installed
from tests.integration.loaders.wire import Wire

pika = pytest.importorskip("pika", reason="pika is not installed (the extra 'brokers')")
from loaders.readers import amqp  # noqa: E402 - behind the look for pika
from loaders.readers.amqp import AmqpQueue  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dlt.extract import DltSource

    from loaders.warehouse import Target

pytestmark = pytest.mark.slow

KINDS = pytest.mark.parametrize("kind", ["quorum", "classic"])
COUNT = 60


@pytest.fixture(scope="module")
def server() -> Iterator[RabbitMQ]:
    if not is_installed():
        pytest.skip("rabbitmq-server is not installed (apt-get install rabbitmq-server)")
    with RabbitMQ() as started:
        yield started


class Disturbed(AmqpQueue):
    """A queue to which something happens before the third page, or its acknowledgement."""

    def __init__(self, url: str, queue: str, *, call: str, disturb: Callable[[], object]) -> None:
        super().__init__(url, queue)
        self.call, self.disturb, self.pages = call, disturb, 0

    def receive(self, count: int, wait: float) -> list[Any]:
        """Receive, disturbed."""
        self._meet("receive")
        return super().receive(count, wait)

    def acknowledge(self, message_ids: list[str]) -> None:
        """Acknowledge, disturbed."""
        self._meet("acknowledge")
        super().acknowledge(message_ids)

    def _meet(self, call: str) -> None:
        self.pages += call == self.call
        if call == self.call and self.pages == 3:
            self.disturb()


def filled(url: str, kind: str) -> None:
    """Make the queue, with messages that the server keeps on its disk."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        with suppress(pika.exceptions.ChannelClosedByBroker):
            channel.queue_delete("payments")
        channel.queue_declare("payments", durable=True, arguments={"x-queue-type": kind})
        channel.confirm_delivery()
        for number in range(COUNT):
            text = json.dumps({"payment_id": number, "amount": "1.50"}).encode()
            kept = pika.BasicProperties(message_id=f"m{number}", delivery_mode=2)
            channel.basic_publish("", "payments", text, kept)


def source(url: str, connect: Any = AmqpQueue, **settings: Any) -> DltSource:
    @dlt.source(name="payment_queue")
    def payment_queue() -> Any:
        opened = partial(connect, url, "payments", **settings)
        return messages("payments", opened, columns=PAYMENTS, batch=Batch(at_once=10))

    return payment_queue()


def whole(target: Target, url: str) -> None:
    """Load until the queue is empty; each message has to be there once."""
    for _ in range(30):
        with suppress(LoaderError):
            load(source(url), target=target)
            if not waiting(url):
                break
    with target.connect() as connection:
        sql = "select count(*), count(distinct payment_id) from raw_payment_queue.payments"
        assert connection.execute(sql).fetchall() == [(COUNT, COUNT)]
        assert connection.execute("select * from raw_payment_queue._rejects").fetchall() == []


def waiting(url: str) -> int:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        found = connection.channel().queue_declare("payments", passive=True)
        return int(found.method.message_count)


@KINDS
@pytest.mark.parametrize("call", ["receive", "acknowledge"])
def test_a_server_that_is_killed_in_mid_batch(
    duckdb_target: Target, server: RabbitMQ, kind: str, call: str
) -> None:
    filled(server.url, kind)
    disturbed = source(server.url, Disturbed, call=call, disturb=server.kill)
    if call == "receive":
        with pytest.raises(LoaderError, match="does not answer") as told:
            load(disturbed, target=duckdb_target)
        assert told.value.retryable
    else:  # all is committed: whether the end of the server is seen in time is all the same
        with suppress(LoaderError):
            load(disturbed, target=duckdb_target)
    server.start()
    whole(duckdb_target, server.url)


@pytest.mark.parametrize("mute_at", [1_000, 6_000])
def test_a_server_that_falls_silent_is_not_waited_for_without_end(
    duckdb_target: Target, server: RabbitMQ, mute_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(server.url, "quorum")
    with Wire(server.port) as wire:
        wire.cut_at, wire.is_mute_then = mute_at, True
        url = server.url.replace(str(server.port), str(wire.port))
        with monkeypatch.context() as patched:
            patched.setattr(amqp, "ANSWER", 2.0)
            with pytest.raises(LoaderError, match=r"does not answer: .*no answer within 2 s"):
                load(source(url), target=duckdb_target)
    whole(duckdb_target, server.url)


@KINDS
@pytest.mark.parametrize("cut_at", [1_000, 3_000, 6_000, 9_000])
def test_a_wire_that_is_cut_in_mid_message(
    duckdb_target: Target, server: RabbitMQ, kind: str, cut_at: int
) -> None:
    filled(server.url, kind)
    with Wire(server.port) as wire:
        wire.cut_at = cut_at
        url = server.url.replace(str(server.port), str(wire.port))
        with pytest.raises(LoaderError) as told:
            load(source(url), target=duckdb_target)
        assert told.value.retryable, told.value
        assert "guest" not in str(told.value)
        assert wire.cut_at is None
        whole(duckdb_target, url)
