"""A long read broken up: short statements, each beginning behind the last key of the one before.

Between two pages rows may change. What changes after the first page has a cursor beyond the one
that was newest then: such rows are left for the next load, so that none is passed over.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from loaders.errors import SourceUnreachable
from loaders.readers.database_keys import Keys
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
    keys = Keys(selection, reading.key)
    size = int(reading.page_size or 0)
    behind = ""
    while True:
        page = _page(selection, keys.sql([*where, behind], limit=size), reading.batch_size)
        rows = sum(batch.num_rows for batch in page)
        if rows == size:
            last = keys.last(page)
            behind = keys.behind(last)
            page = _completed(page, keys, [*where, keys.at(last)], reading)
        yield from map(keys.bare, page)
        if rows < size:
            break
    without = " or ".join(f"{column} is null" for column in keys.columns)
    yield from _page(selection, selection.sql(where=[*where, without]), reading.batch_size)


def _completed(
    page: list[pa.Table], keys: Keys, where: list[str], reading: Reading
) -> list[pa.Table]:
    """Return a page with all rows whose key its database takes for the last one's.

    `A` is `a` where case does not count, and what is behind `a` is not `A`.
    """
    alike = _page(keys.selection, keys.sql(where), reading.batch_size)
    if sum(batch.num_rows for batch in alike) <= 1:
        return page
    return [*keys.without(page, alike), *alike]


def _page(selection: Selection, sql: str, batch_size: int) -> list[pa.Table]:
    """Return a page; ask again when the database went away, as it may come back."""
    for wait in WAITS:
        try:
            return list(selection.link.batches(sql, batch_size))
        except (SourceUnreachable, sa.exc.OperationalError, sa.exc.InterfaceError):
            time.sleep(wait)
    return list(selection.link.batches(sql, batch_size))
