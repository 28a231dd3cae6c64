"""A clock for tests, which moves when someone sleeps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Clock:
    """Call it for the time."""

    now: float = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
