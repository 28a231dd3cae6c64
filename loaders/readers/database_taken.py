"""Mark as migrated: once rows are committed, the source is told which ones were taken."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from loaders.commit import after_commit
from loaders.readers.database_keys import Keys
from loaders.readers.database_select import INSTANT

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from loaders.readers.database_reading import Reading
    from loaders.readers.database_select import Selection

KEYS_AT_ONCE: Final = 1_000


def mark_taken(reading: Reading, selection: Selection, keys: Sequence[pa.Table]) -> None:
    """Have the time written into the rows of these keys after the commit.

    When it cannot be written, or the load dies before, the rows are read once more by the next
    load, which replaces them by themselves. Rejected rows are not marked: they are read again
    until somebody corrects them.
    """
    if any(table.num_rows for table in keys):
        after_commit(partial(_write, reading, selection, keys))


def _write(reading: Reading, selection: Selection, keys: Sequence[pa.Table]) -> None:
    column = selection.quoted(str(reading.taken_at))
    now = (
        datetime.now(UTC)
        if selection.kinds.get(str(reading.taken_at)) == INSTANT
        else _local(selection)
    )
    moment = selection.link.literal(now)
    for table in keys:
        for start in range(0, table.num_rows, KEYS_AT_ONCE):
            part = Keys(selection, reading.key).rows(table.slice(start, KEYS_AT_ONCE))
            among = selection.among(reading.key, part)
            update = f"update {selection.relation} set {column} = {moment}"
            selection.link.write([f"{update} where {column} is null and ({among})"])


def _local(selection: Selection) -> datetime:
    return datetime.now(selection.link.zone).replace(tzinfo=None, microsecond=0)
