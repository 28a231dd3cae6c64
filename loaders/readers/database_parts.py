"""Several statements read at once, each in a thread of its own, ahead of who judges their rows."""

from __future__ import annotations

import queue
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import pairwise
from threading import Event
from typing import TYPE_CHECKING, Any, Final

from loaders.readers.database_select import Range

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

BATCHES_AHEAD: Final = 2
"""For each statement; bounds memory."""


def parts(whole: Range, count: int) -> list[Range]:
    """Cut a range whose two ends are times into parts of the same length; any other stays whole."""
    since, until = whole.since, whole.until
    if count < 2 or not isinstance(since, datetime) or not isinstance(until, datetime):  # noqa: PLR2004  two parts are the least
        return [whole]
    ends = [since + (until - since) * number / count for number in range(count)] + [until]
    return [Range(since=a, until=b) for a, b in pairwise(ends)]


def side_by_side(reads: Sequence[Callable[[], Iterator[pa.Table]]]) -> Iterator[pa.Table]:
    """Yield the batches of all reads as they come, read ahead of whoever takes them."""
    ready: queue.Queue[Any] = queue.Queue(BATCHES_AHEAD * len(reads))
    stop = Event()
    with ThreadPoolExecutor(len(reads), "tidemill-read") as threads:
        for read in reads:
            threads.submit(_fill, read, ready, stop)
        try:
            yield from _taken(ready, len(reads))
        finally:
            stop.set()
            while not ready.empty():
                ready.get_nowait()


def _taken(ready: queue.Queue[Any], open_reads: int) -> Iterator[pa.Table]:
    while open_reads:
        found = ready.get()
        if isinstance(found, BaseException):
            raise found
        if found is None:
            open_reads -= 1
        else:
            yield found


def _fill(read: Callable[[], Iterator[pa.Table]], ready: queue.Queue[Any], stop: Event) -> None:
    try:
        for batch in read():
            _put(batch, ready, stop)
            if stop.is_set():
                return
        _put(None, ready, stop)
    except BaseException as error:  # noqa: BLE001  raised again where the batches are taken
        _put(error, ready, stop)


def _put(item: Any, ready: queue.Queue[Any], stop: Event) -> None:
    while not stop.is_set():
        try:
            ready.put(item, timeout=0.2)
        except queue.Full:
            continue
        return
