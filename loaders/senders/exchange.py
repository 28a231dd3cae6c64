"""One batch and an HTTP API: asks until it has an answer, or until asking on makes no sense."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from loaders.errors import DeliveryFailed, DeliveryRefused
from loaders.senders.endpoint import retry_after
from loaders.senders.facts import Answer, Batch, ItemAnswer

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    import httpx

    from loaders.senders.breaker import Breaker
    from loaders.senders.endpoint import Encode, Endpoint, Patience, Request
    from loaders.senders.pace import Pace

SLOW_DOWN = 429
GONE = frozenset({404, 410})
ABOUT_US = frozenset({401, 403, 405, 407})
"""Answers that no other item would change."""
DIVISIBLE = frozenset({400, 413, 422})
"""Answers to a batch that may be due to a few of its items."""
WAYS = 3
"""How many ways to ask are tried: update, create as it is not there, update as it is by now."""
SHOWN = 500
"""How many characters of an answer are kept."""


class Unanswered(DeliveryFailed):
    """A batch has no answer after all attempts; it is kept for the next delivery."""


class Stopped(DeliveryFailed):
    """The delivery ends because of another batch."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """All that the threads of one delivery share."""

    client: httpx.Client
    endpoint: Endpoint
    pace: Pace
    breaker: Breaker
    patience: Patience
    stop: threading.Event
    jitter: Callable[[], float]
    secret: str | None = field(default=None, repr=False)

    def answer(self, batch: Batch) -> Answer:
        """Send a batch until each of its items has an answer.

        Raises:
            Unanswered: it has none after all attempts.
            DeliveryRefused: the far side does not talk to us at all.
            DeliveryFailed: the service is down.
        """
        exceptions = self._settle(batch, 1)
        return Answer(number=batch.number, count_items=len(batch.items), exceptions=exceptions)

    def _settle(
        self, batch: Batch, round_: int, ways: tuple[Encode, ...] = ()
    ) -> tuple[ItemAnswer, ...]:
        """Ask, and ask in another way where the endpoint has one for the answer."""
        ways = ways or (self.endpoint.encode,)
        response, answers = self._ask(batch, ways[-1])
        if response.is_success:
            return self._again(batch, answers, round_)
        code = response.status_code
        other = self.endpoint.instead.get(code)
        if other and len(ways) < WAYS and batch.items[0].method == "upsert":
            return self._settle(batch.part(batch.items, f"way {len(ways)}"), round_, (*ways, other))
        if len(batch.items) > 1 and code in DIVISIBLE:
            middle = len(batch.items) // 2
            halves = (batch.items[:middle], batch.items[middle:])
            parts = (batch.part(half, "half") for half in halves)
            return tuple(answer for part in parts for answer in self._settle(part, round_))
        return self._refused(batch, response)

    def _again(
        self, batch: Batch, answers: tuple[ItemAnswer, ...], round_: int
    ) -> tuple[ItemAnswer, ...]:
        """Send once more what the far side could not take just now."""
        answers = tuple(self._clean(answer) for answer in answers)
        later = {answer.key for answer in answers if answer.outcome == "unknown"}
        if not later or round_ > self.patience.rounds:
            return answers
        self._pause(self.patience.pause(round_, self.jitter()))
        items = tuple(item for item in batch.items if item.key in later)
        rest = self._settle(batch.part(items, f"again {round_}"), round_ + 1)
        return tuple(answer for answer in answers if answer.key not in later) + rest

    def _refused(self, batch: Batch, response: httpx.Response) -> tuple[ItemAnswer, ...]:
        """Read a definite 4xx: about one item, or about us."""
        code = response.status_code
        item = batch.items[0]
        about_item = code in DIVISIBLE or (
            self.endpoint.per_item and response.is_client_error and code not in ABOUT_US
        )
        if len(batch.items) > 1 or not about_item:
            raise DeliveryRefused(
                f"'{self.endpoint.shown}' does not take what it is sent: it answers {code} "
                f"({self._text(response)}). Check the output's address and token."
            )
        if item.method == "delete" and code in GONE:
            return ()
        text = self._text(response)
        return (ItemAnswer(key=item.key, outcome="refused", code=code, text=text),)

    def _ask(self, batch: Batch, encode: Encode) -> tuple[httpx.Response, tuple[ItemAnswer, ...]]:
        """Return the first answer that is neither 'slow down' nor a failure, and what it says."""
        failures = slow_downs = 0
        reason = ""
        while failures < self.patience.attempts and slow_downs < self.patience.slow_downs:
            response, reason = self._try(batch, encode)
            if response is not None and response.status_code == SLOW_DOWN:
                self.breaker.succeeded()
                slow_downs += 1
                self._hold(response, slow_downs)
                continue
            if response is not None and response.status_code not in self.patience.retry:
                answers = self._read(batch, response)
                if answers is not None:
                    self.breaker.succeeded()
                    return response, answers
                reason = "its answer cannot be read"
            self.breaker.failed(reason)
            failures += 1
            self._wait(response, failures)
        raise Unanswered(
            f"'{self.endpoint.shown}' gave no answer to a batch of {len(batch.items)}: {reason}, "
            f"{failures + slow_downs} times. It is kept; deliver again."
        )

    def _read(self, batch: Batch, response: httpx.Response) -> tuple[ItemAnswer, ...] | None:
        """Return what a 2xx says; None when it says nothing that can be read."""
        if not response.is_success:
            return ()
        try:
            return self.endpoint.decode(batch, response)
        except (ValueError, LookupError, TypeError, AttributeError):
            return None

    def _try(self, batch: Batch, encode: Encode) -> tuple[httpx.Response | None, str]:
        """Send a batch once; return the answer, or why there is none."""
        import httpx

        self._pause(0)
        self.breaker.admit()
        self.pace.take()
        try:
            response = self.client.send(self._request(batch, encode(batch)))
        except (httpx.TransportError, httpx.DecodingError) as error:
            return None, f"{type(error).__name__} {error}".strip()
        return response, f"it answers {response.status_code}"

    def _request(self, batch: Batch, request: Request) -> httpx.Request:
        headers = {
            "Content-Type": request.content_type,
            "Content-Length": str(sum(map(len, request.body))),
            "Idempotency-Key": batch.idempotency_key,
        }
        pieces = (piece for piece in request.body)
        return self.client.build_request(
            request.method, request.url, content=pieces, headers=headers
        )

    def _hold(self, response: httpx.Response, attempt: int) -> None:
        """Hold all requests back, as long as the far side asks for."""
        seconds = self._asked(response)
        if seconds is None:
            seconds = self.patience.pause(attempt, self.jitter())
        self.pace.hold(seconds)

    def _wait(self, response: httpx.Response | None, failures: int) -> None:
        seconds = self._asked(response) if response is not None else None
        if failures < self.patience.attempts:
            self._pause(seconds or self.patience.pause(failures, self.jitter()))

    def _asked(self, response: httpx.Response) -> float | None:
        seconds = retry_after(response.headers, datetime.now(UTC))
        if seconds is not None and seconds > self.patience.longest_retry_after:
            raise DeliveryFailed(
                f"'{self.endpoint.shown}' asks to wait {seconds:.0f} s, longer than a delivery "
                "waits. What it took is recorded and the rest is kept; deliver again then."
            )
        return seconds

    def _pause(self, seconds: float) -> None:
        if self.stop.wait(seconds) if seconds else self.stop.is_set():
            raise Stopped("The delivery was stopped.")

    def _clean(self, answer: ItemAnswer) -> ItemAnswer:
        text = None if answer.text is None else self._redacted(answer.text)
        return ItemAnswer(key=answer.key, outcome=answer.outcome, code=answer.code, text=text)

    def _text(self, response: httpx.Response) -> str:
        return self._redacted(response.text) or response.reason_phrase

    def _redacted(self, text: str) -> str:
        plain = text.replace(self.secret, "***") if self.secret else text
        return " ".join(plain.split())[:SHOWN]
