"""Tells how far DuckDB is with a long statement."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def watched(engine: Any, tell: Callable[[float], object], *, every: float = 0.25) -> Iterator[None]:
    """Call `tell` with the share done, 0 to 1, every so many seconds while a statement runs."""
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
