"""How fast requests may go out: a token bucket that a far side's Retry-After can hold up."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDING = 1e-6
"""Seconds that are nothing: the sums of intervals are not exact."""


@dataclass(kw_only=True)
class Pace:
    """A token bucket for threads: `rate` tokens a second, `burst` of them saved up at most.

    It keeps the time at which the bucket would be full again, which says all there is to know
    (the "generic cell rate algorithm", ITU-T I.371).
    """

    rate: float | None = None
    """Requests a second; None for no limit."""
    burst: int = 1
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    _full_at: float = field(default=0.0, init=False)
    _held_until: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def take(self) -> None:
        """Wait for a token and take it."""
        while (wait := self._reserve()) > 0:
            self.sleep(wait)

    def hold(self, seconds: float) -> None:
        """Let nothing out for so many seconds; the far side asked for it."""
        with self._lock:
            self._held_until = max(self._held_until, self.clock() + seconds)

    def _reserve(self) -> float:
        """Take a token if there is one; return how long to wait before asking again."""
        with self._lock:
            now = self.clock()
            if self._held_until > now:
                return self._held_until - now
            if self.rate is None:
                return 0.0
            interval = 1 / self.rate
            full_at = max(self._full_at, now)
            if (early := full_at - now - (self.burst - 1) * interval) > ROUNDING:
                return early
            self._full_at = full_at + interval
            return 0.0
