"""Tells how far a long statement is."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROWS_BETWEEN = 10_000
"""Rows that pass before the next word of them."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How many rows a statement has to move, and who wants to know how far it is."""

    rows: int
    on_share: Callable[[float], object]
    """Called with the share done, 0 to 1."""
    first: float = 0.0
    last: float = 1.0
    """The part of the whole that the statement makes up."""

    def tell(self, share: float) -> None:
        """Pass on how far the statement is."""
        self.on_share(self.first + min(share, 1.0) * (self.last - self.first))

    def part(self, first: float, last: float) -> Progress:
        """Return the progress of a statement that is a part of this."""
        return replace(self, first=first, last=last)


class Counted:
    """A file for `copy … to stdout`, which gets one row with each write."""

    def __init__(self, file: IO[bytes], progress: Progress) -> None:
        self.file = file
        self.progress = progress
        self.count = 0

    def write(self, row: bytes) -> int:
        """Write one row."""
        self.count += 1
        if self.count % ROWS_BETWEEN == 0:
            self.progress.tell(self.count / max(1, self.progress.rows))
        return self.file.write(row)


@contextmanager
def watched(
    engine: Any, tell: Callable[[float], object] | None, *, every: float = 0.25
) -> Iterator[None]:
    """Call `tell` with the share done, 0 to 1, every so many seconds while DuckDB works."""
    if tell is None:
        yield
        return
    engine.execute("set enable_progress_bar = true")
    engine.execute("set enable_progress_bar_print = false")
    over = threading.Event()

    def watch() -> None:
        while not over.wait(every):
            percent = engine.query_progress()
            if percent > 0:
                tell(min(percent, 100.0) / 100)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
