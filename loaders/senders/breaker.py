"""A circuit breaker: a service that is down is asked now and then, not hammered."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loaders.errors import DeliveryFailed

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(kw_only=True)
class Breaker:
    """Closed while all is well; open after `threshold` failures in a row; then one probe at a time.

    Every opening in a row lasts twice as long as the one before. After `openings` of them the
    service is given up for now. The pattern is Nygard's (Release It!, "Circuit Breaker").
    """

    name: str
    """What is protected, for the message."""
    threshold: int = 5
    cooldown: float = 1.0
    """Seconds that the first opening lasts."""
    openings: int = 4
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    _failures: int = field(default=0, init=False)
    _opened: int = field(default=0, init=False)
    _open_until: float = field(default=0.0, init=False)
    _probing: bool = field(default=False, init=False)
    _last: str = field(default="", init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def admit(self) -> None:
        """Wait until a request may go out.

        Raises:
            DeliveryFailed: the service has been given up.
        """
        while (wait := self._wait()) > 0:
            self.sleep(wait)

    def succeeded(self) -> None:
        """Note that the service answered."""
        with self._lock:
            self._failures = self._opened = 0
            self._probing = False

    def failed(self, reason: str) -> None:
        """Note that the service did not answer, or not sensibly."""
        with self._lock:
            self._failures += 1
            self._last = reason
            if self._probing or (self._failures >= self.threshold and not self._opened):
                self._opened += 1
                self._open_until = self.clock() + self.cooldown * 2 ** (self._opened - 1)
                self._probing = False

    def _wait(self) -> float:
        with self._lock:
            if self._opened > self.openings:
                raise DeliveryFailed(
                    f"{self.name} is down: {self._last}, {self._failures} times in a row. What it "
                    "took is recorded and the rest is kept; deliver again once it is back."
                )
            if not self._opened:
                return 0.0
            if self._probing:
                return 0.05
            if (wait := self._open_until - self.clock()) > 0:
                return wait
            self._probing = True
            return 0.0
