"""Tables and queries of a database as dlt resources, through any SQLAlchemy URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import dlt
from dlt.extract.utils import wrap_parallel_iterator

from loaders.accounting import tally
from loaders.columns import columns as declared
from loaders.columns import latest_first, named, word
from loaders.cursor import begin_as
from loaders.dispositions import REPLACE_KEYS
from loaders.drift import contracted
from loaders.errors import SettingMissing, TableRefused
from loaders.readers.database_reading import Reading, read
from loaders.readers.database_types import Reflected

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlt.common.schema.typing import TColumnSchema, TSchemaContract
    from dlt.extract import DltResource, Incremental

ROWS_AT_ONCE: Final = 200_000
LAGGING: Final = ("timestamp", "date", "bigint", "double")
"""Types of a cursor from which a lag can be taken."""
SWEPT_AT: Final = "_deleted_at"
"""The column that a sweep for deleted rows sets, where the table has none of its own."""


def table(
    name: str,
    url: str,
    *,
    key: str | tuple[str, ...],
    columns: Mapping[str, TColumnSchema],
    cursor: Incremental[Any] | None = None,
    source_table: str | None = None,
    query: str | None = None,
    batch_size: int = ROWS_AT_ONCE,
    page_size: int | None = None,
    time_zone: str = "UTC",
    deleted_at: str | None = None,
    sweep_deletes: bool = False,
    allow_shrink: bool = False,
    taken_at: str | None = None,
    parallel: int = 1,
    schema_contract: TSchemaContract | None = None,
) -> DltResource:
    """Return a resource of a table's rows, merged on its key.

    Args:
        name: the raw table's name.
        url: SQLAlchemy URL of the database.
        key: the table's primary key.
        columns: declared columns (`loaders.columns.columns`, or
            `loaders.readers.database_types.reflected`); others arrive as text.
        cursor: `loaders.cursor.cursor(column)` to read only what changed; without one the whole
            table is read each time.
        source_table: the table's or view's name in the database where it differs; with its
            schema, if any.
        query: a SELECT to read in place of a table.
        batch_size: rows fetched and judged at once; bounds memory.
        page_size: read in pages of so many rows, each a short statement of its own that begins
            behind the last key, and is tried again when the connection is lost; without it one
            statement reads all from one snapshot.
        time_zone: what the source's times without a zone mean.
        deleted_at: the column that tells that a row is deleted. A sweep sets it; where the
            source has no such column, name one of your own, or leave it out for `_deleted_at`.
        sweep_deletes: also compare all keys of the source with those of the raw table: mark what
            vanished as deleted, read again what differs.
        allow_shrink: let a sweep mark more than half of the table as deleted.
        taken_at: a column of the source's own: only rows in which it is null are read, and the
            time is written into it once they are committed (mark as migrated).
        parallel: read a backfill's window in so many parts at once.
        schema_contract: what a new column does; EVOLVE, FREEZE or QUARANTINE of `loaders.drift`.
    """
    marks = named(deleted_at) if deleted_at else (SWEPT_AT if sweep_deletes else None)
    keys = tuple(map(named, (key,) if isinstance(key, str) else key))
    column = named(cursor.cursor_path) if cursor is not None else None
    lacking = [n for n in dict.fromkeys([*keys, column]) if n and n not in columns]
    if isinstance(columns, Reflected) and (columns.refusal or lacking):
        return _refused(name, columns.refusal or _without(name, lacking, columns), cursor)
    _check_declared(name, lacking, cursor, columns)
    # a file passes dlt untouched where all may be null; that keys are there is gate one's work
    shape: dict[str, TColumnSchema] = {
        name: {**hint, "nullable": True} if name in keys else hint for name, hint in columns.items()
    }
    if marks and marks not in shape:
        shape.update(declared(**{marks: "timestamp"}))
    if cursor is not None:
        begin_as(cursor, shape[column or ""]["data_type"] or "")
        shape = latest_first(shape, cursor.cursor_path)
    reading = Reading(
        name=name,
        url=url,
        relation=query or source_table or name,
        is_query=query is not None,
        key=keys,
        columns=shape,
        batch_size=batch_size,
        page_size=page_size,
        time_zone=time_zone,
        deleted_at=marks,
        sweep_deletes=sweep_deletes,
        allow_shrink=allow_shrink,
        taken_at=named(taken_at) if taken_at else None,
        parallel=parallel,
    )
    return contracted(_resource(reading, cursor), schema_contract)


def _refused(name: str, refusal: str, cursor: Incremental[Any] | None) -> DltResource:
    """Return a resource that stops, and with it no other table, when its turn comes."""

    def rows() -> Any:
        raise TableRefused(refusal, table=name)
        yield

    def cut(cursor: Incremental[Any]) -> Any:
        del cursor  # by which a backfill cuts its windows
        yield from rows()

    resource: Any = dlt.resource(rows if cursor is None else cut, name=name)
    made: DltResource = resource() if cursor is None else resource(cursor=cursor)
    return made


def _without(name: str, lacking: Sequence[str], columns: Mapping[str, TColumnSchema]) -> str:
    return (
        f"The table '{name}' has no column {', '.join(lacking)} in its database, by which it is to "
        f"be read. It has {', '.join(columns) or 'none'}. Check `key` and `cursor`."
    )


def _check_declared(
    name: str,
    lacking: Sequence[str],
    cursor: Incremental[Any] | None,
    columns: Mapping[str, TColumnSchema],
) -> None:
    """Look whether the columns say what rows are read by.

    Raises:
        SettingMissing: the key or the cursor is not among them, or is of no type for that.
    """
    if lacking:
        raise SettingMissing(
            f"The columns of the table '{name}' do not say what {', '.join(lacking)} is, by which "
            "it is read. Declare its key and its cursor with their types."
        )
    column = named(cursor.cursor_path) if cursor is not None else ""
    if cursor is not None and cursor.lag and columns[column]["data_type"] not in LAGGING:
        raise SettingMissing(
            f"The cursor '{column}' of the table '{name}' has a lag and is declared as "
            f"{word(columns[column])}. Declare it as timestamp, date, bigint or double, or leave "
            "the lag out."
        )


def _resource(reading: Reading, cursor: Incremental[Any] | None) -> DltResource:
    rows: Any = _all_rows if cursor is None else _changed_rows
    resource: Any = dlt.resource(
        rows,
        name=reading.name,
        columns=dict(reading.columns),
        primary_key=reading.key,
        write_disposition=REPLACE_KEYS,
    )
    made: DltResource = resource(reading) if cursor is None else resource(reading, cursor=cursor)
    return made


def _all_rows(reading: Reading) -> Any:
    """Read a table in steps, each of which dlt takes in a thread, beside those of others.

    dlt's own `parallelized` opens all tables at once. What is to be done after the commit is asked
    for in the thread of the load.
    """
    if reading.taken_at:
        yield from read(reading, None)
        return
    places = tally().places
    while not places.acquire(blocking=False):
        yield None  # dlt asks another table meanwhile
    try:
        yield from wrap_parallel_iterator(read)(reading, None)
    finally:
        places.release()


def _changed_rows(reading: Reading, cursor: Incremental[Any]) -> Any:
    yield from read(reading, cursor)  # in the thread of the load, where its cursor is kept
