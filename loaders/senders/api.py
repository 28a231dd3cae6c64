"""Sends an outbox to an HTTP API: several batches at once, each until it has an answer."""

from __future__ import annotations

import random
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from loaders.addresses import is_here
from loaders.errors import DeliveryFailed
from loaders.senders.breaker import Breaker
from loaders.senders.endpoint import Endpoint, Patience
from loaders.senders.exchange import Exchange, Stopped, Unanswered
from loaders.senders.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from loaders.outbox import Outbox
    from loaders.senders.facts import Answer, Batch


@dataclass(frozen=True, kw_only=True)
class ApiSender:
    """Batches over HTTP, with a rate, retries, and a breaker between us and a dead service."""

    endpoint: Endpoint
    key: tuple[str, ...]
    """The model's key columns."""
    token: str | None = field(default=None, repr=False)
    """A bearer token."""
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    batch_size: int = 100
    """Items in a request; 1 for endpoints that take one item."""
    in_flight: int = 4
    """Requests at once."""
    rate: float | None = None
    """Requests a second, retries included; None for no limit but the far side's 429."""
    timeout: float = 30.0
    """Seconds to wait for an answer."""
    patience: Patience = field(default_factory=Patience)
    transport: Any = field(default=None, repr=False)
    """An httpx transport, for proxies and special certificates."""

    @property
    def destination(self) -> str:
        """Return the address, without what may be secret in it."""
        return self.endpoint.shown

    @property
    def keeps_rows(self) -> bool:
        """A repeated batch is known by its key, and has to be the same."""
        return True

    def send(self, outbox: Outbox) -> Iterator[list[Answer]]:
        """Send all batches; a batch without an answer is kept for the next delivery."""
        stop = threading.Event()
        batches = outbox.batches(self.key)
        with self._client() as client, ThreadPoolExecutor(self.in_flight) as pool:
            exchange = self._exchange(client, stop)
            try:
                yield from _answers(pool, exchange, batches, self.in_flight)
            finally:
                stop.set()

    def _exchange(self, client: httpx.Client, stop: threading.Event) -> Exchange:

        def sleep(seconds: float) -> None:
            if stop.wait(seconds):
                raise Stopped("The delivery was stopped.")

        return Exchange(
            client=client,
            endpoint=self.endpoint,
            pace=Pace(rate=self.rate, burst=self.in_flight, sleep=sleep),
            breaker=Breaker(name=f"'{self.destination}'", sleep=sleep),
            patience=self.patience,
            stop=stop,
            secret=self.token,
            jitter=random.random,
        )

    def _client(self) -> httpx.Client:
        import httpx

        authorization = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return httpx.Client(
            headers={**authorization, **self.headers},
            timeout=httpx.Timeout(self.timeout, connect=min(self.timeout, 5.0)),
            limits=httpx.Limits(max_connections=self.in_flight),
            transport=self.transport,
            trust_env=not is_here(self.endpoint.url),  # its proxies are not for this machine
        )


def _answers(
    pool: ThreadPoolExecutor, exchange: Exchange, batches: Iterator[Batch], in_flight: int
) -> Iterator[list[Answer]]:
    """Keep twice as many batches at hand as are in flight; give answers as they come."""
    waiting = {pool.submit(exchange.answer, batch) for batch in islice(batches, in_flight * 2)}
    failures: list[DeliveryFailed] = []
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        answers, failed = _sorted(done)
        failures += failed
        if answers:
            yield answers
        if any(not isinstance(error, Unanswered) for error in failed):
            exchange.stop.set()
        elif not exchange.stop.is_set():
            waiting |= {pool.submit(exchange.answer, one) for one in islice(batches, len(done))}
    if failures:
        raise _worst(failures)


def _sorted(done: set[Future[Answer]]) -> tuple[list[Answer], list[DeliveryFailed]]:
    """Tell answers from failures; any other error goes up as it is."""
    answers: list[Answer] = []
    failures: list[DeliveryFailed] = []
    for future in done:
        try:
            answers.append(future.result())
        except DeliveryFailed as error:
            failures.append(error)
    return answers, failures


def _worst(failures: list[DeliveryFailed]) -> DeliveryFailed:
    """Return the failure that explains the others."""
    own = [error for error in failures if not isinstance(error, (Stopped, Unanswered))]
    return (own or failures)[0]
