"""The slow look at everything: keys of the source against keys of the raw table, set-wise.

A row that vanished from the source stays in raw, marked: its deletion column gets the time of the
load. It is merged like any other row, with this load's id, so that staging follows and the counts
hold. A row that stands otherwise in the source (its cursor went back, its commit came later than
the lag allows, it was deleted and is there again) is read again.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from loaders.accounting import tally
from loaders.columns import literal, quoted
from loaders.errors import SettingMissing, SourceShrunk
from loaders.raw_client import current_pipeline, sql_client

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loaders.readers.database_judge import Judge
    from loaders.readers.database_reading import Reading
    from loaders.readers.database_select import Selection

ROWS_AT_ONCE: Final = 200_000
KEYS_AT_ONCE: Final = 5_000
TRUSTED_SHARE: Final = 0.5
"""A sweep that would mark more than this share of a table asks first."""
TRUSTED_ROWS: Final = 10
"""So few rows may vanish without a question, unless they are all."""


def sweep(reading: Reading, selection: Selection, judge: Judge) -> Iterator[Any]:
    """Yield rows that vanished, marked as deleted, and rows that are to be read again.

    Raises:
        SourceShrunk: more rows vanished than is to be believed.
    """
    column, judge.cursor = judge.cursor, None  # what is read now is new, whatever its cursor
    names = [*reading.key, *([column] if column else [])]
    _raw_keys(judge, names, reading)
    _source_keys(judge, names, reading, selection)
    _read_keys(judge, reading.key)
    vanished = _keys(judge, reading, _missing(reading.key, "raw_keys", "source_keys"))
    _check_shrink(reading, judge, vanished.num_rows)
    yield from _deletions(reading, judge, vanished)
    again = 0
    if column:
        differs = _missing([*names, "is_deleted"], "source_keys", "raw_keys")
        unread = _missing(reading.key, "source_keys", "read_keys").partition(" where ")[2]
        keyed = [f"a.{quoted(name)} is not null" for name in reading.key]  # others were rejected
        found = _keys(judge, reading, " and ".join([differs, unread, *keyed]))
        again = found.num_rows
        yield from _reread(reading, selection, judge, found)
    _tell(reading, vanished.num_rows, again)


def _deletions(reading: Reading, judge: Judge, keys: pa.Table) -> Iterator[Any]:
    for part in _parts(keys):
        for rows in _raw_rows(reading, part):
            yield from judge.take(_marked(judge, rows, str(reading.deleted_at)), ROWS_AT_ONCE)
    yield from judge.hand_over()


def _reread(reading: Reading, selection: Selection, judge: Judge, keys: pa.Table) -> Iterator[Any]:
    found = 0
    for part in _parts(keys):
        sql = selection.sql(where=[selection.among(reading.key, part)])
        for batch in list(selection.link.batches(sql, reading.batch_size)):  # in this thread
            found += batch.num_rows
            yield from judge.take(batch, reading.batch_size)
    yield from judge.hand_over()
    if found < keys.num_rows:
        tally().note(
            reading.name,
            f": {keys.num_rows - found:,} rows that stand otherwise in the source were not found "
            "there by their key, and are as they were. Declare the key as the source has it.",
        )


def _missing(names: Sequence[str], here: str, there: str) -> str:
    """Return the clauses that give the rows of one table that the other does not have so."""
    same = " and ".join(f"a.{quoted(n)} is not distinct from b.{quoted(n)}" for n in names)
    is_live = " and not a.is_deleted" if here == "raw_keys" else ""
    return f"{here} a where not exists (select 1 from {there} b where {same}){is_live}"


def _keys(judge: Judge, reading: Reading, condition: str) -> pa.Table:
    names = ", ".join(f"a.{quoted(name)}" for name in reading.key)
    return judge.connection.execute(f"select {names} from {condition}").to_arrow_table()


def _parts(keys: pa.Table) -> Iterator[list[tuple[Any, ...]]]:
    """Yield keys as values of Python's, some at once.

    Raises:
        SettingMissing: one is a time that Python does not have.
    """
    for start in range(0, keys.num_rows, KEYS_AT_ONCE):
        part = keys.slice(start, KEYS_AT_ONCE)
        try:
            rows = part.to_pylist()
        except (OverflowError, ValueError) as error:
            names = [f.name for f in part.schema if pa.types.is_temporal(f.type)]
            raise SettingMissing(
                f"Cannot look rows up by their key: one of its times ({', '.join(names)}) lies "
                f"before the year 1 or after 9999, and is declared as a time. Declare it as text."
            ) from error
        yield [tuple(row.values()) for row in rows]


def _create(judge: Judge, table: str, names: Sequence[str]) -> None:
    types = ", ".join(f"{quoted(name)} {judge.shape.types[name]}" for name in names)
    judge.connection.execute(f"create or replace temp table {table} ({types}, is_deleted boolean)")


def _raw_keys(judge: Judge, names: Sequence[str], reading: Reading) -> None:
    """Fetch keys, cursor and mark of all rows that the warehouse has."""
    _create(judge, "raw_keys", names)
    columns = ", ".join(map(quoted, names))
    schema = quoted(current_pipeline().dataset_name)
    sql = (
        f"select {columns}, {quoted(str(reading.deleted_at))} is not null as is_deleted "
        f"from {schema}.{quoted(reading.name)} where _dlt_load_id in "
        f"(select load_id from {schema}._dlt_loads where status = 0)"
    )
    with sql_client(current_pipeline()) as client:
        try:
            with client.execute_query(sql) as rows:
                for page in rows.iter_arrow(ROWS_AT_ONCE):
                    judge.connection.register("found", page)
                    judge.connection.execute("insert into raw_keys select * from found")
        except DatabaseUndefinedRelation:
            return


def _source_keys(
    judge: Judge, names: Sequence[str], reading: Reading, selection: Selection
) -> None:
    """Fetch the same of all rows that the source has."""
    _create(judge, "source_keys", names)
    mark = reading.deleted_at if reading.deleted_at in selection.columns else None
    sql = selection.sql([*names, *([mark] if mark else [])])
    for page in selection.link.batches(sql, ROWS_AT_ONCE):
        fields, shape = judge.arrived(page)
        values = ", ".join(shape.cast(name, fields) for name in names)
        is_deleted = f"{shape.cast(mark, fields)} is not null" if mark else "false"
        judge.connection.register("found", page)
        judge.connection.execute(
            f"insert into source_keys select {values}, {is_deleted} from found"
        )


def _read_keys(judge: Judge, key: Sequence[str]) -> None:
    _create(judge, "read_keys", key)
    for table in judge.keys:
        fields, shape = judge.arrived(table)
        values = ", ".join(shape.cast(name, fields) for name in key)
        judge.connection.register("found", table)
        judge.connection.execute(f"insert into read_keys select {values}, false from found")
    judge.keys.clear()


def _check_shrink(reading: Reading, judge: Judge, vanished: int) -> None:
    found = judge.connection.execute(
        "select (select count(*) from raw_keys where not is_deleted), "
        "(select count(*) from source_keys)"
    ).fetchone()
    live, there = found or (0, 0)
    few = vanished <= max(TRUSTED_ROWS, live * TRUSTED_SHARE) and there
    if vanished and not few and not reading.allow_shrink:
        raise SourceShrunk(
            f"The table '{reading.name}' has shrunk: {vanished:,} of {live:,} rows are no longer "
            f"in the source, which has {there:,}. Nothing was marked as deleted. If that is right, "
            "sweep again with `--allow-shrink`."
        )


def _raw_rows(reading: Reading, keys: Sequence[tuple[Any, ...]]) -> Iterator[pa.Table]:
    """Yield rows of the raw table as they are."""
    pipeline = current_pipeline()
    place = f"{quoted(pipeline.dataset_name)}.{quoted(reading.name)}"
    listed = ", ".join(f"({', '.join(map(_value, key))})" for key in keys)
    sql = f"select * from {place} where ({', '.join(map(quoted, reading.key))}) in ({listed})"
    with sql_client(pipeline) as client, client.execute_query(sql) as rows:
        yield from rows.iter_arrow(ROWS_AT_ONCE)


def _value(value: Any) -> str:
    if isinstance(value, date):  # which a row of values would compare as texts
        kind = "timestamptz" if isinstance(value, datetime) else "date"
        return f"{kind} {literal(str(value))}"
    return str(value) if isinstance(value, int | Decimal) else literal(str(value))


def _marked(judge: Judge, rows: pa.Table, mark: str) -> pa.Table:
    """Return raw rows with the time of this load in their deletion column."""
    judge.connection.register("found", rows)
    moment = f"to_timestamp({float(judge.load_id)}) as {quoted(mark)}"
    own = ", ".join(quoted(n) for n in rows.column_names if not n.startswith("_dlt") and n != mark)
    return judge.connection.execute(f"select {own}, {moment} from found").to_arrow_table()


def _tell(reading: Reading, vanished: int, again: int) -> None:
    if vanished:
        text = f": {vanished:,} rows are no longer in the source and were marked as deleted."
        tally().note(reading.name, text)
    if again:
        text = f": {again:,} rows stood otherwise in the source and were read again."
        tally().note(reading.name, text)
