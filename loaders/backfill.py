"""Backfill: a table's past, window by window, each loaded and committed by itself.

The windows are a durable list: rows of the table `backfill` in the warehouse. A backfill that is
asked for again goes on with those that are not done. The daily loads go on beside it: a window
reads between two values, and dlt keeps such a load's cursor apart.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from loaders.errors import LoaderError, SettingMissing
from loaders.windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dlt.extract import DltResource, DltSource

    from loaders.accounting import TableCount
    from loaders.connection import Connection
    from loaders.load import LoadResult
    from loaders.warehouse import Target

TABLE: Final = "tidemill.backfill"
DONE: Final = "done"
MISSING: Final = "missing"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be filled."""

    source: str
    table: str
    windows: tuple[Window, ...]
    redo: bool = False
    """Load windows again that are done."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the source in place of its own."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a backfill is."""

    done: int
    """Windows done, those of earlier times included."""
    total: int
    rows: int
    """Rows loaded by this call."""
    seconds_left: float | None
    """By the mean of the windows loaded so far; None before the first."""


def backfill(
    plan: Plan,
    *,
    target: Target,
    on_progress: Callable[[Progress], None] | None = None,
    is_recorded: Callable[[str], bool] | None = None,
) -> Iterator[LoadResult]:
    """Load the windows that are missing, oldest first, and yield each one's result.

    Stop it whenever you like, by `kill -9` if need be: a window that was not committed is loaded
    by the next call; one that was committed and not yet recorded is read again, and changes
    nothing.

    Args:
        plan: what to fill.
        target: the warehouse.
        on_progress: called before the first window and after each.
        is_recorded: as in `load`.

    Raises:
        LoaderError: a window failed; those before it are done.
    """
    from loaders.load import load

    _source(plan, plan.windows[0])  # nothing is listed of what cannot be filled
    known = _list(plan, target)
    missing = [window for window in plan.windows if plan.redo or known[window] != DONE]
    progress = _Pace(total=len(plan.windows), missing=len(missing))
    tell = on_progress or (lambda _: None)
    tell(progress.now(0))
    ours: set[str] = set()
    recorded = is_recorded or (lambda _: True)
    for window in missing:
        source, begun = _source(plan, window), time.time()
        result = load(source, target=target, is_recorded=lambda i: i in ours or recorded(i))
        _record(plan, window, [t for t in result.tables if _is_since(t, begun)], target)
        ours.update(result.load_ids)
        tell(progress.now(sum(count.loaded for count in result.tables)))
        yield result


def listed(source: str, table: str, target: Target) -> list[tuple[Any, ...]]:
    """Return the windows of a table: since, until, status, rows loaded, load id, when loaded."""
    with target.exclusive(), target.connect() as connection:
        _create(connection)
        return connection.execute(
            f"select since, until, status, loaded, load_id, loaded_at from {TABLE} "
            "where source_name = ? and table_name = ? order by since, until",
            [source, table],
        ).fetchall()


@dataclass(kw_only=True)
class _Pace:
    total: int
    missing: int
    rows: int = 0
    loaded: int = -1
    begun: float = field(default_factory=time.monotonic)

    def now(self, rows: int) -> Progress:
        self.rows += rows
        self.loaded += 1
        left = self.missing - self.loaded
        spent = time.monotonic() - self.begun
        return Progress(
            done=self.total - left,
            total=self.total,
            rows=self.rows,
            seconds_left=spent / self.loaded * left if self.loaded else None,
        )


def _source(plan: Plan, window: Window) -> DltSource:
    """Return the source with the one table, reading one window of it."""
    import dlt

    from loaders.registry import find_source

    source = find_source(plan.source, plan.settings)
    if plan.table not in source.resources:
        known = ", ".join(sorted(source.resources))
        raise SettingMissing(
            f"The source '{plan.source}' has no table '{plan.table}'. It has {known}."
        )
    resource = source.resources[plan.table]
    cursor = _cursor(resource)
    if cursor is None:
        raise LoaderError(
            f"The table '{plan.source}.{plan.table}' has no cursor to cut windows by. "
            f"`tidemill load {plan.source}` reads all of it."
        )
    ends = (window.since, window.until)
    initial, end = (_as_cursor(plan, resource, cursor, value) for value in ends)
    between: Any = dlt.sources.incremental(
        cursor.cursor_path, initial_value=initial, end_value=end, range_end="open"
    )
    resource.apply_hints(incremental=between)
    return source.with_resources(plan.table)


def _cursor(resource: DltResource) -> Any:
    """Return a resource's cursor: dlt wraps one that is an argument until it is read."""
    from dlt.extract import Incremental

    given = (resource.incremental, *resource.explicit_args.values())
    return next((value for value in given if isinstance(value, Incremental)), None)


def _as_cursor(plan: Plan, resource: DltResource, cursor: Any, value: datetime) -> Any:
    """Return a window's end in the kind of value that the cursor has.

    Raises:
        LoaderError: it is no time.
    """
    example = cursor.initial_value
    if isinstance(example, str):
        return value.isoformat()
    columns: Any = resource.columns
    kind = columns.get(cursor.cursor_path, {}).get("data_type")
    if kind == "date" or (isinstance(example, date) and not isinstance(example, datetime)):
        return value.date()
    if kind in {None, "timestamp"} or isinstance(example, datetime):
        return value
    raise LoaderError(
        f"The table '{plan.source}.{plan.table}' cannot be cut into windows of time: its cursor "
        f"'{cursor.cursor_path}' is declared as {kind}. `tidemill load {plan.source}` reads all of "
        "it; a source with another cursor reads its past in windows."
    )


def _create(connection: Connection) -> None:
    connection.execute("create schema if not exists tidemill")
    connection.execute(
        f"create table if not exists {TABLE} (source_name text, table_name text, "
        "since timestamp, until timestamp, status text, read bigint, loaded bigint, "
        "rejected bigint, load_id text, loaded_at timestamp, "
        "primary key (source_name, table_name, since, until))"
    )


def _list(plan: Plan, target: Target) -> dict[Window, str]:
    """Put the plan's windows on the durable list; return each one's status."""
    with target.exclusive(), target.connect() as connection:
        _create(connection)
        found = connection.execute(
            f"select since, until, status from {TABLE} where source_name = ? and table_name = ?",
            [plan.source, plan.table],
        ).fetchall()
        known = {
            Window(since=since.replace(tzinfo=UTC), until=until.replace(tzinfo=UTC)): str(status)
            for since, until, status in found
        }
        for window in plan.windows:
            if window not in known:
                values = [plan.source, plan.table, *_naive(window), MISSING]
                connection.execute(
                    f"insert into {TABLE} (source_name, table_name, since, until, status) "
                    "values (?, ?, ?, ?, ?)",
                    values,
                )
    return {window: known.get(window, MISSING) for window in plan.windows}


def _naive(window: Window) -> Sequence[datetime]:
    return [value.astimezone(UTC).replace(tzinfo=None) for value in (window.since, window.until)]


def _is_since(count: TableCount, begun: float) -> bool:
    """Tell whether a count is not one of an earlier load, which is given again after a kill."""
    return not count.load_id or float(count.load_id) >= begun


def _record(plan: Plan, window: Window, tables: Sequence[TableCount], target: Target) -> None:
    sums = [sum(getattr(t, n) for t in tables) for n in ("read", "loaded", "rejected")]
    load_id = next((t.load_id for t in tables if t.load_id), None)
    now = datetime.now(UTC).replace(tzinfo=None)
    with target.exclusive(), target.connect() as connection:
        connection.execute(
            f"update {TABLE} set status = ?, read = ?, loaded = ?, rejected = ?, load_id = ?, "
            "loaded_at = ? where source_name = ? and table_name = ? and since = ? and until = ?",
            [
                DONE,
                *sums,
                load_id,
                now,
                plan.source,
                plan.table,
                *_naive(window),
            ],
        )
