"""One load's reading of a table: what changed, in batches or pages, with the cursor kept safe."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from loaders.accounting import tally
from loaders.columns import duckdb_type, formats, nulls
from loaders.cursor import fetch_held
from loaders.readers.database_judge import Judge
from loaders.readers.database_link import Link
from loaders.readers.database_look import select
from loaders.readers.database_pages import pages
from loaders.readers.database_parts import parts, side_by_side
from loaders.readers.database_select import Range, Selection
from loaders.readers.database_sweep import sweep
from loaders.readers.database_taken import mark_taken
from loaders.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa
    from dlt.common.schema.typing import TColumnSchema
    from dlt.extract import Incremental


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What `loaders.readers.database.table` was asked for; see there."""

    name: str
    url: str
    relation: str
    is_query: bool
    key: tuple[str, ...]
    columns: Mapping[str, TColumnSchema]
    batch_size: int
    page_size: int | None
    time_zone: str
    deleted_at: str | None
    sweep_deletes: bool
    allow_shrink: bool
    taken_at: str | None
    parallel: int

    @property
    def shape(self) -> Shape:
        """What the table's rows must look like."""
        types = {name: duckdb_type(hint) for name, hint in self.columns.items()}
        return Shape(
            table=self.name,
            types=types,
            key=self.key,
            rule=tally().rule(self.name),
            formats=formats(self.columns),
            nulls=nulls(self.columns),
        )


def read(reading: Reading, cursor: Incremental[Any] | None) -> Iterator[Any]:
    """Yield what a load reads of a table: files of good rows, and rejects."""
    link = Link(reading.url, reading.time_zone)
    column = cursor.cursor_path if cursor else None
    needed = [name for name in (*reading.key, column, reading.taken_at) if name]
    selection = select(
        link, reading.relation, table=reading.name, is_query=reading.is_query, needed=needed
    )
    _tell_missing(reading, selection)
    judge = Judge(
        shape=reading.shape,
        origin=reading.name,
        cursor=column,
        time_zone=reading.time_zone,
        kinds=selection.kinds,
        doubts_texts=link.kind != "postgresql" and not tally().rule(reading.name).takes_nul,
        keeps_keys=reading.taken_at is not None or reading.sweep_deletes,
    )
    with judge:
        whole = Range()
        if cursor is not None:
            whole = Range(since=cursor.last_value, until=cursor.end_value)
            from_whole_second = whole.since
            if link.kind == "sqlite" and isinstance(whole.since, datetime):
                from_whole_second = whole.since.replace(microsecond=0)  # as it is compared there
            fetch_held(
                judge.connection, judge.shape, cursor.cursor_path, from_whole_second, whole.until
            )
        for batch in _batches(reading, selection, column, whole):
            yield from judge.take(batch, reading.batch_size)
        yield from judge.hand_over()
        if cursor is not None:
            _advance(reading, selection, judge, cursor)
        if reading.sweep_deletes:
            yield from sweep(reading, selection, judge)
        if reading.taken_at:
            mark_taken(reading, selection, judge.keys)


def _tell_missing(reading: Reading, selection: Selection) -> None:
    missing = reading.columns.keys() - selection.names.keys() - {reading.deleted_at}
    if missing:
        told = f" has no column {', '.join(sorted(missing))} in the database: null in what is read."
        tally().note(reading.name, told)


def _batches(
    reading: Reading, selection: Selection, column: str | None, whole: Range
) -> Iterator[pa.Table]:
    where = [f"{selection.quoted(reading.taken_at)} is null"] if reading.taken_at else []
    if reading.page_size:
        bounds = selection.between(column, whole) if column else []
        yield from pages(selection, reading, column, [*where, *bounds])
        return
    statements = [
        selection.sql(where=[*where, *(selection.between(column, part) if column else [])])
        for part in parts(whole, reading.parallel)
    ]
    yield from side_by_side(
        [partial(selection.link.batches, sql, reading.batch_size) for sql in statements]
    )


def _advance(
    reading: Reading, selection: Selection, judge: Judge, cursor: Incremental[Any]
) -> None:
    """Move the cursor to the newest row, never back; tell what it cannot see."""
    before = cursor.get_state()["last_value"]
    if judge.count_null_cursors:
        tally().note(
            reading.name,
            f": {judge.count_null_cursors} rows have no {cursor.cursor_path}; they "
            "are read anew with every load.",
        )
    if judge.newest is not None and (before is None or judge.newest > before):
        cursor.advance(judge.newest)
        return
    if before is not None:
        cursor.advance(before)
    if cursor.end_value is None and before is not None and judge.newest != before:
        _tell_backwards(reading, selection, cursor.cursor_path, before, judge.newest)


def _tell_backwards(
    reading: Reading, selection: Selection, column: str, before: Any, newest: Any
) -> None:
    found = newest or selection.newest(column)
    tally().note(
        reading.name,
        f": the newest {column} is {found}, older than {before}, up to which rows were read: "
        f"rows were deleted, or {column} went backwards. `--sweep-deletes` finds what changed "
        "unseen.",
    )
