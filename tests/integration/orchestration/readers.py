"""Readers that ask a hundred times a second while marts are published, and what they saw."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PER_SECOND = 100
AT_ONCE = 4


class Readers:
    """Ask again and again, each time at its moment or, when late, at once: none is left out."""

    def __init__(self, make: Callable[[], Callable[[], Any]]) -> None:
        self.make = make
        self.seen: Counter[Any] = Counter()
        """What was read how often; a failure by its text."""
        self.begun = self.ended = time.perf_counter()
        self.over = threading.Event()
        self.told = ""
        self.turns = itertools.count()
        self.lock = threading.Lock()

    def work(self) -> None:
        """Read until it is over, and then what is still owed."""
        read = self.make()
        while self._wait(self._next()):
            try:
                answer = read()
            except Exception as error:  # noqa: BLE001  a failure is what is looked for
                answer = repr(error)
            with self.lock:
                self.seen[answer] += 1

    def _next(self) -> float:
        with self.lock:
            return self.begun + next(self.turns) / PER_SECOND

    def _wait(self, due: float) -> bool:
        """Wait for a read's moment; False when it comes after the end."""
        self.over.wait(max(0.0, due - time.perf_counter()))
        return not self.over.is_set() or due < self.ended

    def stop(self) -> None:
        """Let it be over, and tell how many reads there were."""
        made, self.ended = self.seen.total(), time.perf_counter()
        self.over.set()
        self.told = f"{made:,} reads in {self.ended - self.begun:.1f} s"


@contextmanager
def reading(make: Callable[[], Callable[[], Any]]) -> Iterator[Counter[Any]]:
    """Read a hundred times a second for the length of the block; give what was seen.

    Args:
        make: called in each thread; returns what reads once, such as a connection's query.
    """
    readers = Readers(make)
    threads = [threading.Thread(target=readers.work) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    try:
        yield readers.seen
    finally:
        readers.stop()
        for thread in threads:
            thread.join()
    print(readers.told)
    assert readers.seen.total() >= PER_SECOND * (readers.ended - readers.begun) - AT_ONCE
