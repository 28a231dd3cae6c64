"""Rows of files on their way: judged in a DuckDB of their own, handed to dlt as Parquet files."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Final, Self

import dlt
import duckdb
import pyarrow as pa

from loaders.accounting import tally
from loaders.columns import duckdb_type, literal
from loaders.gate import Shape, normalize, reject_select
from loaders.quarantine import rejected
from loaders.readers.formats import (
    Arrival,
    CsvOptions,
    Unreadable,
    broken_lines,
    check_whole,
    csv_arrival,
    jsonl_arrival,
    parquet_arrival,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fsspec import AbstractFileSystem

    from loaders.readers.files import File

MEMORY_LIMIT: Final = "400MB"
REJECTS: Final = (
    "create table rejects (reject_id varchar, table_name varchar, reason varchar, payload varchar, "
    "origin varchar, position varchar, rejected_at timestamptz, _dlt_load_id varchar)"
)

UNREADABLE: Final = (
    duckdb.IOException,
    duckdb.InvalidInputException,
    duckdb.ConversionException,
    duckdb.OutOfRangeException,
    Unreadable,
)
"""What a file raises that is cut off or is not what its name says."""


class Staging:
    """A DuckDB of its own in which files are read until a batch of rows is full.

    Yields what dlt takes: good rows as file imports, rejects, and a row for each file read.
    """

    def __init__(
        self,
        table: str,
        columns: Mapping[str, Mapping[str, Any]],
        filesystem: AbstractFileSystem,
        csv: CsvOptions,
    ) -> None:
        types = {name: duckdb_type(hint) for name, hint in columns.items()}
        self.shape = Shape(table=table, types=types, key=())
        self.filesystem = filesystem
        self.csv = csv
        self.fields: frozenset[str] = frozenset()
        self.files: list[dict[str, Any]] = []
        self.count = 0
        """Rows judged and not yet handed over."""

    def __enter__(self) -> Self:
        self.load_id = tally().load_id
        self.folder = Path(mkdtemp(dir=dlt.current.pipeline().working_dir))
        self.threads = ThreadPoolExecutor(1)
        self.connection = duckdb.connect()
        self.connection.execute(
            f"set TimeZone = 'UTC'; set memory_limit = '{MEMORY_LIMIT}'; "
            f"set temp_directory = {literal(str(self.folder / 'spill'))}; {REJECTS}"
        )
        if "file" not in self.filesystem.protocol:
            self.connection.register_filesystem(self.filesystem)
        return self

    def __exit__(self, *_: object) -> None:
        self.threads.shutdown()
        self.connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def read(self, file: File) -> Iterator[Any]:
        """Judge one file's rows; hand over the batch first where its columns differ."""
        try:
            arrival = self._arrival(file)
            fields = {normalize(n): e for n, e in arrival.fields.items()} if arrival else {}
            self._report_missing(file, fields)
            if self.count and self.fields != fields.keys():
                yield from self.hand_over()
            whole = self.threads.submit(check_whole, self.filesystem, file.place)
            read, rejected = self._judge(file, arrival, fields) if arrival else (0, 0)
            whole.result()
        except UNREADABLE as error:
            if "No space left" in str(error):
                raise
            read, rejected = self._refuse(file, error)
        tally().add(self.shape.table, read=read, good=read - rejected)
        self.files.append(
            {
                "path": file.path,
                "table_name": self.shape.table,
                "version": file.version,
                "size_bytes": file.size,
                "count_read": read,
                "count_rejected": rejected,
                "_dlt_load_id": self.load_id,
            }
        )

    def hand_over(self) -> Iterator[Any]:
        """Yield what has been judged, and forget it."""
        from loaders.readers.files import FILES

        if self.count:
            yield self._good_rows()
            self.connection.execute("drop table judged")
        rejects = self.connection.execute("select * from rejects").to_arrow_table()
        if rejects.num_rows:
            yield rejected(rejects)
            self.connection.execute("truncate rejects")
        if self.files:
            files = pa.Table.from_pylist(self.files)
            yield dlt.mark.with_table_name(files, FILES)
        self.files, self.fields, self.count = [], frozenset(), 0

    @property
    def _broken(self) -> str:
        """The table that DuckDB fills with the lines of the file being read that are no rows."""
        return f"broken_{len(self.files)}"

    def _arrival(self, file: File) -> Arrival | None:
        if file.kind == "csv":
            names = list(self.shape.types)
            return csv_arrival(file.place, self.filesystem, self.csv, names, self._broken)
        if file.kind == "jsonl":
            return jsonl_arrival(file.place, self.connection)
        return parquet_arrival(file.place, self.connection)

    def _report_missing(self, file: File, fields: dict[str, str]) -> None:
        missing = sorted(self.shape.types.keys() - fields.keys()) if fields else []
        if missing:
            text = f": '{file.path}' lacks the columns {', '.join(missing)}; they are null."
            tally().note(self.shape.table, text)

    def _judge(self, file: File, arrival: Arrival, fields: dict[str, str]) -> tuple[int, int]:
        """Put a file's rows into `judged` and its misfits into `rejects`; return both counts."""
        reason = f"concat_ws('; ', {arrival.unreadable}, nullif({self.shape.reason(fields)}, ''))"
        where = f"{literal(file.path)} as _file, _line,"
        select = (
            f"select {self.shape.good(fields, load_id=self.load_id, extra=where)}, "
            f"{reason} as _reason, case when {reason} <> '' then {arrival.payload} end as _payload "
            f"from ({arrival.relation})"
        )
        into = "insert into judged by name" if self.count else "create or replace table judged as"
        rows = self._number(f"{into} {select}")
        broken = self._broken_lines(file) if file.kind == "csv" else 0
        misfits = self._misfits(file)
        self.count += rows
        self.fields = frozenset(fields)
        return rows + broken, misfits + broken

    def _broken_lines(self, file: File) -> int:
        """Record lines that are no rows, and move the numbers of the rows behind them."""
        made = f"select count(*) from duckdb_tables() where table_name = {literal(self._broken)}"
        if not self._number(made):
            return 0
        lines = broken_lines(self._broken)
        broken = self._reject(file, "reason", "payload", "line", lines)
        if broken:
            self.connection.execute(
                "with broken as (select line - row_number() over (order by line) as rows_before "
                f"from {lines}) update judged set _line = _line + (select count(*) "
                f"from broken where rows_before < _line) where _file = {literal(file.path)}"
            )
        self.connection.execute(f"drop table {self._broken}; drop table {self._broken}_scan")
        return broken

    def _misfits(self, file: File) -> int:
        bad = f"judged where _file = {literal(file.path)} and _reason <> ''"
        return self._reject(file, "_reason", "_payload", "_line", bad)

    def _refuse(self, file: File, error: Exception) -> tuple[int, int]:
        """Reject a file as a whole, since not all of it can be read."""
        here = literal(file.path)
        if self.count:
            self.count -= self._number(f"delete from judged where _file = {here}")
        self.connection.execute(f"delete from rejects where origin = {here}")
        message = literal("the file cannot be read: " + str(error).splitlines()[0])
        self._reject(file, message, literal(file.path), "null", "(select 1)")
        return 1, 1

    def _reject(self, file: File, reason: str, payload: str, position: str, rows: str) -> int:
        select = reject_select(
            self.shape.table,
            reason=reason,
            payload=payload,
            origin=literal(file.path),
            position=position,
            load_id=self.load_id,
            by=f"{literal(file.path)}, {position}",
        )
        return self._number(f"insert into rejects select {select} from {rows}")

    def _good_rows(self) -> Any:
        path = str(self.folder / f"{len(list(self.folder.iterdir()))}.parquet")
        good = "select * exclude (_reason, _payload) from judged where _reason = ''"
        rows = self._number(f"copy ({good}) to {literal(path)} (format parquet)")
        empty = self.connection.execute(f"{good} limit 0").to_arrow_table()
        return dlt.mark.with_file_import(path, "parquet", rows, hints=empty)

    def _number(self, statement: str) -> int:
        """Run a statement that answers with a count of rows."""
        row = self.connection.execute(statement).fetchone()
        return int(row[0]) if row else 0
