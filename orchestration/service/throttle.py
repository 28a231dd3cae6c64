"""How often one caller may ask: a bucket of tokens for each."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Final

from orchestration.service.problems import Refused

if TYPE_CHECKING:
    from orchestration.clock import Clock

MOST: Final = 10_000
"""Callers remembered at the same time."""


class Throttle:
    """Lets a caller through `rate` times a second, after a silence `burst` times at once."""

    def __init__(self, rate: float, burst: float, clock: Clock) -> None:
        self.rate = rate
        self.burst = max(burst, 1.0)
        self.clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, caller: str) -> None:
        """Let one request of a caller through.

        Raises:
            Refused: 429, with the seconds to wait in Retry-After.
        """
        with self._lock:
            left = self._left(caller)
            if left >= 1:
                self._buckets[caller] = (left - 1, self.clock.monotonic())
                return
        wait = math.ceil((1 - left) / self.rate)
        raise Refused(
            429,
            f"More than {self.rate:g} requests a second. Wait {wait} s and ask again.",
            {"Retry-After": str(wait)},
        )

    def _left(self, caller: str) -> float:
        if len(self._buckets) > MOST:
            self._buckets.clear()
        now = self.clock.monotonic()
        left, then = self._buckets.get(caller, (self.burst, now))
        return min(self.burst, left + (now - then) * self.rate)
