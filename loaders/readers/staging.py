"""A load's files on their way into the warehouse, and what dlt is told of them.

Into DuckDB a file's rows go straight into the raw table, under the id of a load that is not
committed yet: models look at committed loads only. Should the load never be committed, the next one
takes them out again. Another warehouse is handed Parquet files,
written from a DuckDB table that is as long as a batch.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import dlt
import duckdb
import pyarrow as pa

from loaders.accounting import tally
from loaders.columns import duckdb_type, formats, literal, quoted
from loaders.gate import reject_select
from loaders.quarantine import rejected
from loaders.readers.arriving import ARRIVING, begin, discard
from loaders.readers.feed import Unreadable
from loaders.readers.placing import Placed, Placer
from loaders.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from fsspec import AbstractFileSystem

    from loaders.readers.files import File
    from loaders.readers.formats import CsvOptions

MEMORY_LIMIT: Final = "400MB"
REJECTS: Final = (
    "create temp table rejects (reject_id varchar, table_name varchar, reason varchar, "
    "payload varchar, origin varchar, position varchar, rejected_at timestamptz, "
    "_dlt_load_id varchar)"
)
REJECTS_AT_ONCE: Final = 50_000
UNREADABLE: Final = (
    duckdb.IOException,
    duckdb.InvalidInputException,
    duckdb.ConversionException,
    duckdb.OutOfRangeException,
    Unreadable,
)
"""What a file raises that is cut off or is not what its name says."""


class Staging:
    """Where files are read, one after the other, until a batch of rows is full.

    Yields what dlt takes: good rows (unless they are where they belong), rejects, and a row for
    each file.
    """

    def __init__(
        self,
        table: str,
        columns: Mapping[str, Mapping[str, Any]],
        filesystem: AbstractFileSystem,
        csv: CsvOptions,
    ) -> None:
        types = {name: duckdb_type(hint) for name, hint in columns.items()}
        self.shape = Shape(table=table, types=types, key=(), formats=formats(columns))
        self.columns = columns
        self.filesystem = filesystem
        self.csv = csv
        self.files: list[dict[str, Any]] = []
        self.count = 0
        """Rows read and not yet handed over."""

    def __enter__(self) -> Self:
        self.load_id = tally().load_id
        self.shape = replace(self.shape, rule=tally().rule(self.shape.table))
        self.folder = _own_folder(self.load_id, self.shape.table)
        self.stack = ExitStack()
        self.is_there = dlt.current.pipeline().destination.destination_name == "duckdb"
        """Whether files are read into the warehouse itself."""
        if self.is_there:
            self._open_warehouse()
        else:
            self._open_aside()
        self.known = _columns(self.connection, self.into)
        # lines are numbered by the order of rows, which a merge that failed may have set free
        self.connection.execute("set TimeZone = 'UTC'; set preserve_insertion_order = true")
        self.connection.execute(REJECTS)
        self._widen(self.shape.types)
        self.placer = Placer(
            self.connection,
            self.into,
            self.shape,
            self.csv,
            self.load_id,
            self.folder,
            self._widen,
        )
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure and self.is_there:
            with suppress(duckdb.Error):
                discard(self.connection, self.into, self.load_id)
        self.stack.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _open_warehouse(self) -> None:
        client: Any = dlt.current.pipeline().sql_client()
        self.stack.enter_context(client)
        self.connection = client.native_connection
        self.into = client.make_qualified_table_name(self.shape.table)
        record = client.make_qualified_table_name(ARRIVING)
        begin(self.connection, record, self.shape.table, self.into, self.load_id)

    def _open_aside(self) -> None:
        path = self.folder / "aside.duckdb"
        self.connection = self.stack.enter_context(duckdb.connect(str(path)))
        self.connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        columns = self.shape.good({}, load_id="", extra="'' as _file, 0::bigint as _line,")
        self.connection.execute(f"create table arrived as select {columns} limit 0")
        self.into = "arrived"

    def _widen(self, names: Iterable[str]) -> None:
        """Add columns that are new: declared ones as they are declared, others as text."""
        new = [name for name in names if name not in self.known]
        for name in new:
            kind = self.shape.types.get(name, "varchar")
            self.connection.execute(
                f"alter table {self.into} add column if not exists {quoted(name)} {kind}"
            )
            if self.is_there:  # else dlt sees to it
                hint: Any = {"data_type": "text", **self.columns.get(name, {}), "name": name}
                table: Any = {"name": self.shape.table, "columns": {name: hint}}
                dlt.current.source_schema().update_table(table)
                told = f" has a new column '{name}' ({hint['data_type']})."
                tally().note(self.shape.table, told)
        self.known.update(new)

    def read(self, file: File, edition: int) -> None:
        """Read one file.

        Args:
            file: which one.
            edition: 1 when it is new, one more each time it was rewritten.
        """
        read, refused = 0, 0
        self.edition = f"edition {edition}" if edition > 1 else ""
        try:
            placed = self._place(file)
            if placed:
                read, refused = placed.read, placed.rejected
        except FileNotFoundError:
            tally().note(self.shape.table, f": '{file.path}' went away before it was read.")
            return
        except UNREADABLE as error:
            if "No space left" in str(error):
                raise
            read, refused = self._refuse(file, error)
        good = read - refused
        placed_rows = good if self.is_there else 0
        tally().add(self.shape.table, read=read, good=good, placed=placed_rows)
        self.count += good
        self.files.append(
            {
                "path": file.path,
                "table_name": self.shape.table,
                "version": file.version,
                "edition": edition,
                "size_bytes": file.size,
                "count_read": read,
                "count_rejected": refused,
                "_dlt_load_id": self.load_id,
            }
        )

    def _place(self, file: File) -> Placed | None:
        placed = self.placer.place(file.path, file.kind, self._at(file), edition=self.edition)
        missing = sorted(self.shape.types.keys() - placed.fields) if placed else []
        if missing:
            text = f": '{file.path}' lacks the columns {', '.join(missing)}; they are null."
            tally().note(self.shape.table, text)
        return placed

    def _at(self, file: File) -> Path:
        """Return a path of a file that has no signs in it which DuckDB would take for a pattern."""
        path = self.folder / f"file{''.join(Path(file.path).suffixes[-2:])}"
        path.unlink(missing_ok=True)
        if "file" in self.filesystem.protocol:
            Path(file.place).stat()
            path.symlink_to(Path(file.place).absolute())
        else:
            self.filesystem.get_file(file.place, str(path))
        return path

    def _refuse(self, file: File, error: Exception) -> tuple[int, int]:
        """Reject a file as a whole, since not all of it can be read."""
        here = literal(file.path)
        message = "the file cannot be read: " + str(error).splitlines()[0].replace(
            str(self.folder), "."
        )
        select = reject_select(
            self.shape.table,
            reason=literal(message),
            payload=here,
            origin=here,
            position="null",
            load_id=self.load_id,
            by=f"{here}, {literal(self.edition)}" if self.edition else here,
        )
        self.connection.execute(f"delete from rejects where origin = {here}")
        self.connection.execute(f"insert into rejects select {select}")
        return 1, 1

    def hand_over(self) -> Iterator[Any]:
        """Yield what has been read, and forget it."""
        from loaders.readers.files import FILES

        if self.count and not self.is_there:
            yield self._good_rows()
        for batch in self.connection.execute("select * from rejects").to_arrow_reader(
            REJECTS_AT_ONCE
        ):
            yield rejected(pa.Table.from_batches([batch]))
        self.connection.execute("truncate rejects")
        if self.files:
            yield dlt.mark.with_table_name(pa.Table.from_pylist(self.files), FILES)
        self.files, self.count = [], 0

    def _good_rows(self) -> Any:
        path = str(self.folder / f"rows-{len(list(self.folder.iterdir()))}")
        hints = self.connection.execute("select * from arrived limit 0").to_arrow_table()
        self.connection.execute(f"copy arrived to {literal(path)} (format parquet)")
        count = self.connection.execute("select count(*) from arrived").fetchall()[0][0]
        self.connection.execute("truncate arrived")
        return dlt.mark.with_file_import(path, "parquet", count, hints=hints)


def _own_folder(load_id: str, table: str) -> Path:
    """Return a folder for a table's files; those of earlier loads, cut off, are deleted."""
    incoming = Path(dlt.current.pipeline().working_dir) / "incoming"
    folder = incoming / load_id / table
    folder.mkdir(parents=True)
    for older in incoming.iterdir():
        if older.name < load_id:
            shutil.rmtree(older, ignore_errors=True)
    return folder


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    return set(connection.execute(f"select * from {table} limit 0").to_arrow_table().column_names)
