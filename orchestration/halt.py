"""How a run is asked to stop: after the steps under way, or at once."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Halt:
    """Two requests: `soon` starts no more steps, `now` ends those under way as well."""

    def __init__(self) -> None:
        self.soon = threading.Event()
        self.now = threading.Event()
        self._children: list[Halt] = []

    def ask(self, *, at_once: bool) -> None:
        """Ask for a stop, of all that was begun under this halt."""
        if at_once:
            self.now.set()
        self.soon.set()
        for child in list(self._children):
            child.ask(at_once=at_once)

    @contextmanager
    def child(self) -> Iterator[Halt]:
        """Give a halt for one run: it hears what this one hears, and can be asked by itself."""
        own = Halt()
        self._children.append(own)
        if self.soon.is_set():
            own.ask(at_once=self.now.is_set())
        try:
            yield own
        finally:
            self._children.remove(own)


def on_signals(*, patient: bool) -> Halt:
    """Return a halt that SIGINT and SIGTERM ask for.

    Args:
        patient: let the first signal wait for the steps under way and the second end them;
            otherwise the first ends them, and the second ends this process.
    """
    halt = Halt()

    def hear(number: int, _frame: object) -> None:
        if halt.now.is_set():
            os._exit(128 + number)
        halt.ask(at_once=halt.soon.is_set() or not patient)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, hear)
    return halt
