"""An AMQP queue, as of RabbitMQ: bodies are JSON objects."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from hashlib import md5
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import pika  # type: ignore[import-untyped,import-not-found,unused-ignore]

from loaders.addresses import read_address
from loaders.readers.queue import Message, from_json

if TYPE_CHECKING:
    from collections.abc import Iterator

SILENCE: Final = 0.2
"""Seconds without a message after which no more is waited for."""
MOST: Final = 65_535
PATIENCE: Final = 10.0
"""Seconds to wait for the first message of a queue that says it has some."""
ANSWER: Final = 60.0
"""Seconds that the server has for an answer; while it starts it may leave a question lying."""


class AmqpQueue:
    """The three calls of a queue on AMQP.

    What a killed load received goes back to the queue when its connection breaks. A message is
    known by its property `message_id`; of messages without one that are alike to the byte, one is
    loaded. Only a quorum queue counts deliveries; any other tells of a second one at most.

    Args:
        url: such as amqp://user:password@localhost:5672/%2F.
        queue: the queue's name.
    """

    def __init__(self, url: str, queue: str) -> None:
        self.origin = self.queue = queue
        with read_address("amqp://user:password@host:5672/%2F"):
            if not url.startswith(("amqp://", "amqps://")):
                raise ValueError
            parameters = pika.URLParameters(url)
        parameters.heartbeat = 0  # a load may be silent for longer than any heartbeat
        self.connection = pika.BlockingConnection(parameters)
        with self._answered():
            self.channel = self.connection.channel()
        self.tags: dict[str, list[int]] = {}

    def receive(self, count: int, wait: float) -> list[Message]:
        """Return up to `count` messages, in the order of the queue."""
        count = min(count, MOST)
        with self._answered():
            self.channel.basic_qos(prefetch_count=count)
        page = list(self._deliveries(count, PATIENCE if self.lag() else wait))
        with self._answered():
            self.channel.cancel()
        return page

    def acknowledge(self, message_ids: list[str]) -> None:
        """Tell the queue that these messages are safe."""
        for message_id in message_ids:
            for tag in self.tags.pop(message_id, ()):
                self.channel.basic_ack(tag)
        self.connection.process_data_events(0)

    def lag(self) -> int:
        """Return how many messages the queue holds that nobody has received."""
        with self._answered():
            found = self.channel.queue_declare(self.queue, passive=True)
        return int(found.method.message_count)

    def close(self) -> None:
        """Give back what was not acknowledged."""
        if self.connection.is_open:
            with self._answered():
                self.connection.close()

    @contextmanager
    def _answered(self) -> Iterator[None]:
        """Wait for the server's answer, but not for ever, as pika does.

        Raises:
            AMQPConnectionError: there is none.
        """
        inner = self.connection._impl  # noqa: SLF001 - there is no other way to its clock
        silence = pika.exceptions.AMQPConnectionError(f"no answer within {ANSWER:.0f} s")
        break_off = partial(inner._terminate_stream, silence)  # noqa: SLF001 - nor to its end
        alarm = inner.ioloop.call_later(ANSWER, break_off)
        try:
            yield
        finally:
            inner.ioloop.remove_timeout(alarm)

    def _deliveries(self, count: int, patience: float) -> Iterator[Message]:
        has_any = False
        coming = self.channel.consume(self.queue, inactivity_timeout=SILENCE)
        with self._answered():
            first = next(coming)
        for method, properties, body in chain([first], coming):
            if method is None:
                patience -= SILENCE
                if has_any or patience <= 0:
                    return
                continue
            has_any = True
            headers: dict[str, Any] = properties.headers or {}
            times = int(headers.get("x-delivery-count", method.redelivered)) + 1
            message_id = properties.message_id or md5(body, usedforsecurity=False).hexdigest()
            self.tags.setdefault(message_id, []).append(method.delivery_tag)
            yield from_json(message_id, body, times)
            count -= 1
            if not count:
                return
