"""Incremental reading by a cursor column: dlt keeps the cursor, the warehouse tells what it has.

dlt's own boundary check keeps a hash of every row at the last value in its state, which grows
without bound where many rows tie, and is off when there is a lag. Here rows that are read again
are compared, by key and cursor, with those that committed loads brought.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final

import dlt
import duckdb
import pyarrow as pa
from dlt.extract.extractors import ImportFileMeta
from dlt.extract.items_transform import BaseItemTransform, ItemTransform

from loaders.accounting import tally
from loaders.columns import named, quoted
from loaders.raw_client import current_pipeline
from loaders.windows import moment

if TYPE_CHECKING:
    from dlt.extract import DltResource, Incremental

    from loaders.shape import Shape


ROWS_AT_ONCE: Final = 100_000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def as_iso(moment: datetime) -> str:
    """Return a time as APIs like it, such as 2026-01-31T10:00:00+00:00."""
    return moment.isoformat()


def cursor(column: str, *, lag: float = 0, initial_value: Any = None) -> Incremental[Any]:
    """Return a dlt cursor.

    Args:
        column: a column that grows with every change of a row, such as `updatedAt`.
        lag: how far behind the last value to read again, in seconds for timestamps: the longest
            time that a transaction of the source stays open.
        initial_value: where the first load begins, such as "2026-01-31" (UTC); without one, at
            the beginning.
    """
    return dlt.sources.incremental(
        named(column),
        initial_value=initial_value,
        lag=lag or None,
    )


def begin_as(cursor: Incremental[Any], kind: str) -> None:
    """Give where a cursor begins the type of its column, with whose values dlt compares it.

    Raises:
        SettingMissing: it is a text that is no time.
    """
    begin = cursor.initial_value
    if kind not in ("timestamp", "date") or not isinstance(begin, str | date):
        return
    found = moment(str(begin))
    cursor.initial_value = cursor.start_value = found if kind == "timestamp" else found.date()


def guard(resource: DltResource, shape: Shape) -> None:
    """Give a resource's cursor, if it has one, the settings under which nothing is lost.

    Rows at the last value are read again and rows without a value are read always; which of them
    are new is for HeldRows to tell.
    """
    if resource.incremental is not None:
        resource.add_step(CursorSettings(resource.incremental))
        resource.add_step(HeldRows(shape, resource.incremental))


def _inner(incremental: Any) -> Any:
    """Return a resource's cursor itself, which dlt wraps; None where it wraps nothing."""
    return getattr(incremental, "incremental", incremental)


class CursorSettings(ItemTransform[Any, Any]):
    """The step before dlt's cursor that sets it so that no row is lost at its boundary.

    Rejects pass the cursor too, which wants to see its column: they carry it, empty, as far as
    HeldRows.
    """

    placement_affinity: ClassVar[float] = 0.96

    def __init__(self, incremental: Any) -> None:
        BaseItemTransform.__init__(self)
        self.incremental = incremental

    def __call__(self, item: Any, meta: Any = None) -> Any:
        """Return the page; rejects with the cursor's column added."""
        cursor = _inner(self.incremental)
        if cursor is None:
            return item
        cursor.on_cursor_value_missing = "include"
        cursor.range_start = "closed"
        cursor.primary_key = ()
        cursor.cursor_path = named(cursor.cursor_path)  # rows that have passed bear such names
        if meta is None or isinstance(meta, ImportFileMeta):
            return item
        return item.append_column(cursor.cursor_path, pa.nulls(item.num_rows, pa.timestamp("us")))


class HeldRows(ItemTransform[Any, Any]):
    """The step behind dlt's cursor that leaves out rows which the warehouse already has."""

    placement_affinity: ClassVar[float] = 1.2  # behind the cursor

    def __init__(self, shape: Shape, incremental: Any) -> None:
        BaseItemTransform.__init__(self)
        self.shape = shape
        self.incremental = incremental
        self.is_ready = False

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB of its own, opened when there are rows to compare."""
        return duckdb.connect().execute("set TimeZone = 'UTC'")

    def __call__(self, item: Any, meta: Any = None) -> Any:
        """Return the rows of a page that are new or changed, None if none are; all rejects."""
        if isinstance(meta, ImportFileMeta):  # its reader looked at what is there
            return item
        cursor = _inner(self.incremental)
        if cursor is None:
            return item
        if meta is not None:
            return item.drop_columns([cursor.cursor_path])
        names = [*self.shape.key, cursor.cursor_path]
        if not self.is_ready:
            fetch_held(self.connection, self.shape, cursor.cursor_path, cursor.start_value)
            self.is_ready = True
        column = quoted(cursor.cursor_path)
        same = " and ".join(
            f"page.{quoted(n)} is not distinct from held.{quoted(n)}" for n in names
        )
        self.connection.register("page", item)
        fresh = self.connection.execute(
            f"select * from page where {column} is null "
            f"or not exists (select 1 from held where {same})"
        ).to_arrow_table()
        tally().add(self.shape.table, held=item.num_rows - fresh.num_rows)
        return fresh if fresh.num_rows else None


def fetch_held(
    connection: duckdb.DuckDBPyConnection, shape: Shape, cursor: str, since: Any, until: Any = None
) -> None:
    """Fill a table `held` with key and cursor of the committed rows from a cursor's value on.

    The raw table is there: a load makes it before it reads, and does not begin when it is gone.

    Args:
        connection: where the table is made; its times are of UTC.
        shape: the raw table's shape.
        cursor: the cursor's column.
        since: the value from which this load reads; without one nothing is held.
        until: the value before which it ends, if it does.
    """
    names = [*shape.key, cursor]
    columns = ", ".join(map(quoted, names))
    types = ", ".join(f"{quoted(n)} {shape.types[n]}" for n in names)
    connection.execute(f"create or replace temp table held ({types})")
    if since is None:
        return
    schema = quoted(current_pipeline().dataset_name)
    sql = (
        f"select {columns} from {schema}.{quoted(shape.table)} "
        f"where {quoted(cursor)} >= ? {'' if until is None else f'and {quoted(cursor)} < ?'} "
        f"and _dlt_load_id in (select load_id from {schema}._dlt_loads where status = 0)"
    )
    bounds = [since] if until is None else [since, until]
    for held in tally().warehouse.pages(sql, bounds, ROWS_AT_ONCE):
        connection.register("found", held)
        connection.execute(f"insert into held select {columns} from found")
