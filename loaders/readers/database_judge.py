"""Gate one for a database's rows: typed batches in, Parquet files for the warehouse out.

What already has its type is not looked at again, so that rows pass at the engine's speed.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Final, Self

import dlt
import pyarrow as pa

from loaders.accounting import tally
from loaders.columns import literal, quoted
from loaders.gate import normalize, reject_select
from loaders.naming import distinct
from loaders.quarantine import rejected
from loaders.raw_client import current_pipeline
from loaders.readers.database_arrived import Arrived, fits, time_text
from loaders.readers.database_select import DECIMAL, INSTANT, SINGLE
from loaders.shape import TIMES, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MEMORY_LIMIT: Final = 300 << 20
COPIES: Final = 8
"""How often a page of values that are large may stand in memory: as hexadecimal, as Parquet."""
FAT: Final = 64 << 10
"""Bytes of a row from which on fewer of them are judged together."""
ROWS_IN_A_FILE: Final = 1_000
"""At least so many, however small the batches: each file is a job for dlt."""
FEW: Final = 1_000
"""So many rows are judged once and kept: to plan the statement takes longer than to run it."""
REASON: Final = '"why not"'
"""No column of a warehouse has a name with a space in it."""
BYTES_IN_A_FILE: Final = 96 << 20
"""Arrow bytes of the rows that are judged together and go into one file."""


@dataclass(kw_only=True)
class Judge:
    """A DuckDB of its own in which a table's batches are judged."""

    shape: Shape
    origin: str
    cursor: str | None = None
    time_zone: str = "UTC"
    kinds: Mapping[str, str] = field(default_factory=dict)
    """See `Selection.kinds`."""
    newest: Any = None
    """The greatest cursor among the rows that passed."""
    count_null_cursors: int = 0
    keys: list[pa.Table] = field(default_factory=list)
    """The keys of rows that passed, where they are asked for."""
    keeps_keys: bool = False
    doubts_texts: bool = False
    """Whether a text may hold what the warehouse has no place for."""
    _waiting: list[pa.Table] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        self.load_id = tally().load_id
        self.connection = self._stack.enter_context(tally().engines.one())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @cached_property
    def folder(self) -> Path:
        """Where the files are, until dlt has taken them."""
        folder = Path(mkdtemp(dir=current_pipeline().working_dir))
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def take(self, batch: pa.Table, batch_size: int) -> Iterator[Any]:
        """Take a batch, and yield files and rejects when so many rows have come together."""
        waiting = [table.schema for table in self._waiting]
        if not _are_alike([*dict.fromkeys(waiting), batch.schema]):
            yield from self.hand_over()
        self._waiting.append(batch)
        rows = sum(table.num_rows for table in self._waiting)
        size = sum(table.nbytes for table in self._waiting)
        bound = BYTES_IN_A_FILE if size < rows * FAT else BYTES_IN_A_FILE // 4
        if rows >= max(batch_size, ROWS_IN_A_FILE) or size >= bound:
            yield from self.hand_over()

    def hand_over(self) -> Iterator[Any]:
        """Yield what waits as a Parquet file of good rows, and rejects."""
        if not self._waiting:
            return
        page = pa.concat_tables(self._waiting, promote_options="default")
        self._waiting.clear()
        limit = max(MEMORY_LIMIT, COPIES * page.nbytes)  # of one value that is larger than all that
        self.connection.execute(f"set memory_limit = '{limit >> 20}MB'")
        self.connection.register("page", page)
        fields, shape = self.arrived(page)
        shape.check(fields)
        yield from self._judged(page.num_rows, fields, shape)
        self.connection.unregister("page")

    def _judged(self, read: int, fields: dict[str, str], shape: Arrived) -> Iterator[Any]:
        reason, rows = shape.reason(fields), self._rows(fields, shape)
        is_few = read <= FEW
        if is_few:
            self.connection.execute(f"create or replace temp table judged as {rows}")
            rows = "judged"
        good, nulls, newest, some_new = self._numbers(rows, is_few=is_few)
        if self.cursor:
            self.count_null_cursors += nulls
            self.newest = max((v for v in (self.newest, newest) if v is not None), default=None)
        path, fresh = self._file(rows) if some_new else ("", 0)
        tally().add(shape.table, read=read, good=good, held=good - fresh)
        if self.keeps_keys:
            self.keys.append(self._keys(f"{reason} = ''"))
        if fresh:
            empty = f"select * exclude ({REASON}) from {rows} limit 0"
            hints = self.connection.execute(empty).to_arrow_table()
            yield dlt.mark.with_file_import(path, "parquet", fresh, hints=hints)
        if good < read:
            yield rejected(self._rejects(fields, shape, reason))

    def _rows(self, fields: dict[str, str], shape: Arrived) -> str:
        """Return the query of all rows, cast, each with the reason why it does not pass."""
        arrived = {name: quoted(f"{name} arrived") for name in fields}
        casts = {name: quoted(name) for name in shape.types}
        kept = ", ".join(f"{value} as {arrived[name]}" for name, value in fields.items())
        return (
            f"(select {shape.reason(arrived, casts)} as {REASON}, "
            f"* exclude ({', '.join(arrived.values())}) "
            f"from (select {shape.good(fields, load_id=self.load_id)}, {kept} from page))"
        )

    def _numbers(self, rows: str, *, is_few: bool) -> tuple[int, int, Any, bool]:
        """Return how many rows pass, how many lack the cursor, its newest, and if any may be new.

        Of many rows some are; of few it is looked at, which is less than to write a file of none.
        """
        value = quoted(self.cursor) if self.cursor else "null"
        is_sought = is_few and self.cursor
        some_new = f"bool_or({self._is_fresh()})" if is_sought else "count(*) > 0"
        row = self.connection.execute(
            f"select count(*), count(*) filter ({value} is null), max({value}), {some_new} "
            f"from {rows} as page where {REASON} = ''"
        ).fetchone()
        return (int(row[0]), int(row[1]), row[2], bool(row[3])) if row else (0, 0, None, False)

    def _file(self, rows: str) -> tuple[str, int]:
        path = str(self.folder / f"{len(list(self.folder.iterdir()))}.parquet")
        is_fresh = f" and ({self._is_fresh()})" if self.cursor else ""
        select = f"select * exclude ({REASON}) from {rows} as page where {REASON} = ''{is_fresh}"
        row = self.connection.execute(
            f"copy ({select}) to {literal(path)} (format parquet, compression snappy)"
        ).fetchone()
        return path, int(row[0]) if row else 0

    def _is_fresh(self) -> str:
        """Return the condition that the warehouse does not have a row as it is."""
        names = (*self.shape.key, str(self.cursor))
        same = " and ".join(f"page.{n} is not distinct from held.{n}" for n in map(quoted, names))
        null = f"page.{quoted(str(self.cursor))} is null"
        return f"{null} or not exists (select 1 from held where {same})"

    def _keys(self, passed: str) -> pa.Table:
        names = ", ".join(map(quoted, self.shape.key))
        return self.connection.execute(f"select {names} from page where {passed}").to_arrow_table()

    def _rejects(self, fields: dict[str, str], shape: Arrived, reason: str) -> pa.Table:
        # each value as its text, which no neighbour in the batch can change
        texts = fields | {name: time_text(value) for name, value in shape.times.items()}
        keys = ", ".join(f"({texts[name]})::varchar" for name in shape.key if name in texts)
        values = ", ".join(f"{quoted(n)} := ({value})::varchar" for n, value in texts.items())
        select = reject_select(
            shape.table,
            reason=shape.reason(texts),
            payload=f"to_json(struct_pack({values}))::varchar",
            origin=literal(self.origin),
            position=f"concat_ws(', ', {keys})" if keys else "''",
            load_id=self.load_id,
        )
        return self.connection.execute(
            f"select {select} from page where {reason} <> ''"
        ).to_arrow_table()

    def arrived(self, page: pa.Table) -> tuple[dict[str, str], Arrived]:
        """Return each column's expression, and the shape that knows which types arrived."""
        fields: dict[str, str] = {}
        fit, times, typed = set(), {}, set()
        found = distinct([page.column_names], normalize, ["_dlt_load_id"])
        names = {source: name for name, (source,) in found.items()}
        for column in page.schema:
            name = names[column.name]
            wanted = self.shape.types.get(name, "varchar")
            fields[name] = self._expression(column, wanted)
            if not pa.types.is_string(column.type):
                typed.add(name)
            is_moment = pa.types.is_date(column.type) or pa.types.is_timestamp(column.type)
            if is_moment and wanted in TIMES:
                times[name] = fields[name]
            elif is_moment and wanted == "varchar":
                fields[name] = time_text(fields[name])
            elif self.doubts_texts and pa.types.is_string(column.type):
                continue
            elif name in self.shape.types and fits(column.type, wanted):
                fit.add(name)
        shape = Arrived(
            table=self.shape.table,
            types=self.shape.types,
            key=self.shape.key,
            rule=self.shape.rule,
            formats=self.shape.formats,
            nulls=self.shape.nulls,
            typed=frozenset(typed),
            fit=frozenset(fit),
            times=times,
            decimals=frozenset(n for n, kind in self.kinds.items() if kind == DECIMAL) - typed,
        )
        return fields, shape

    def _expression(self, column: pa.Field, wanted: str) -> str:
        name = quoted(column.name)
        kind, known = column.type, self.kinds.get(column.name)
        if pa.types.is_binary(kind) and wanted != "blob":
            return f"'\\x' || lower(hex({name}))"
        if pa.types.is_floating(kind) and (known == SINGLE or kind == pa.float32()):
            single = f"({name})::float"  # 0.1 as 0.1, which is 0.10000000149011612 as a double
            return f"{single}::varchar" if wanted.startswith("decimal") else single
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        if is_number and wanted == "boolean":
            return f"{name}::varchar"  # as the texts '1' and '0'; a cast would take 5 for true
        if self.time_zone != "UTC" and wanted == "timestamptz" and known != INSTANT:
            if pa.types.is_timestamp(kind) and kind.tz is None:
                return f"timezone({literal(self.time_zone)}, {name})"
            if pa.types.is_string(kind):
                local = f"timezone({literal(self.time_zone)}, try_cast({name} as timestamp))"
                zoned = f"regexp_matches({name}, '([zZ]|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$')"
                has_time = f"{name} like '%:%'"
                return (
                    f"case when {has_time} and {zoned} or try_cast({name} as timestamp) is null "
                    f"then {name} else {local}::varchar end"
                )
        return name


def _are_alike(schemas: Sequence[pa.Schema]) -> bool:
    """Tell whether batches go together: a column that is null throughout is of any type."""
    try:
        pa.unify_schemas(schemas)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return False
    return True
