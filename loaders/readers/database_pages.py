"""A long read broken up: short statements, each beginning behind the last key of the one before.

Between two pages rows may change. What changes after the first page has a cursor beyond the one
that was newest then: such rows are left for the next load, so that none is passed over.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from loaders.errors import SourceUnreachable
from loaders.readers.database_select import Range

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from loaders.readers.database_reading import Reading
    from loaders.readers.database_select import Selection

WAITS: Final = (0.5, 2.0, 8.0)
"""Seconds before a page is asked for again after the connection was lost."""


def pages(
    selection: Selection, reading: Reading, cursor: str | None, where: list[str]
) -> Iterator[pa.Table]:
    """Yield a table's rows page by page, in the order of its key."""
    if cursor:
        where = [*where, *selection.between(cursor, Range(no_later=selection.newest(cursor)))]
    order = ", ".join(map(selection.ordered, reading.key))
    size = int(reading.page_size or 0)
    last: tuple[Any, ...] | None = None
    while True:
        behind = selection.behind(reading.key, last) if last else ""
        sql = selection.sql(where=[*where, behind], order_by=order, limit=size)
        page = _page(selection, sql, reading.batch_size)
        yield from page
        rows = sum(batch.num_rows for batch in page)
        if rows:
            tail = page[-1].select(list(reading.key)).slice(page[-1].num_rows - 1)
            last = tuple(tail.to_pylist()[0].values())
        if rows < size:
            break
    without = " or ".join(f"{selection.quoted(name)} is null" for name in reading.key)
    yield from _page(selection, selection.sql(where=[*where, without]), reading.batch_size)


def _page(selection: Selection, sql: str, batch_size: int) -> list[pa.Table]:
    """Return a page; ask again when the database went away, as it may come back."""
    for wait in WAITS:
        try:
            return list(selection.link.batches(sql, batch_size))
        except (SourceUnreachable, sa.exc.OperationalError, sa.exc.InterfaceError):
            time.sleep(wait)
    return list(selection.link.batches(sql, batch_size))
