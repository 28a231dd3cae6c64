"""Rows of files on their way: scanned for what does not fit, then read by the warehouse itself.

What passes never touches Python, nor a file in between: DuckDB is handed the SELECT (dlt's `.model`
import) and reads the source file. Another warehouse is handed a Parquet file that DuckDB writes.
A file is held by a link of its own meanwhile, so that it cannot vanish before it is loaded.
"""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import dlt
import duckdb
import pyarrow as pa

from loaders.accounting import tally
from loaders.columns import duckdb_type, literal, quoted
from loaders.gate import reject_select
from loaders.quarantine import rejected
from loaders.readers.formats import CsvOptions, Unreadable, check_whole
from loaders.readers.scan import Scan, Scanner
from loaders.shape import Shape

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
    """A DuckDB of its own in which files are scanned until a batch of rows is full.

    Yields what dlt takes: good rows as imports, rejects, and a row for each file.
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
        self.scans: list[tuple[str, Scan]] = []
        self.files: list[dict[str, Any]] = []
        self.count = 0
        """Rows scanned and not yet handed over."""

    def __enter__(self) -> Self:
        pipeline = dlt.current.pipeline()
        self.load_id = tally().load_id
        self.is_duckdb = pipeline.destination.destination_name == "duckdb"
        incoming = Path(pipeline.working_dir) / "incoming"
        self.folder = incoming / self.load_id
        self.folder.mkdir(parents=True)
        for older in incoming.iterdir():  # an earlier load is done when a new one begins
            if older.name < self.load_id:
                shutil.rmtree(older, ignore_errors=True)
        self.threads = ThreadPoolExecutor(1)
        self.connection = duckdb.connect()
        self.connection.execute(
            f"set TimeZone = 'UTC'; set memory_limit = '{MEMORY_LIMIT}'; "
            f"set temp_directory = {literal(str(self.folder / 'spill'))}; {REJECTS}"
        )
        self.shape = replace(self.shape, rule=tally().rule(self.shape.table))
        self.scanner = Scanner(self.connection, self.shape, self.csv, self.load_id)
        return self

    def __exit__(self, *_: object) -> None:
        self.threads.shutdown()
        self.connection.close()

    def read(self, file: File) -> None:
        """Scan one file."""
        read, refused = 0, 0
        try:
            path = self._hold(file)
            whole = self.threads.submit(check_whole, path)
            found = self.scanner.scan(file.path, file.kind, path)
            whole.result()
            if found:
                read, refused = found.read, found.rejected
                self._take(file, found)
        except UNREADABLE as error:
            if "No space left" in str(error):
                raise
            read, refused = self._refuse(file, error)
        tally().add(self.shape.table, read=read, good=read - refused)
        self.files.append(
            {
                "path": file.path,
                "table_name": self.shape.table,
                "version": file.version,
                "size_bytes": file.size,
                "count_read": read,
                "count_rejected": refused,
                "_dlt_load_id": self.load_id,
            }
        )

    def hand_over(self) -> Iterator[Any]:
        """Yield what has been scanned, and forget it."""
        from loaders.readers.files import FILES

        if self.scans:
            yield self._good_rows()
        rejects = self.connection.execute("select * from rejects").to_arrow_table()
        if rejects.num_rows:
            yield rejected(rejects)
            self.connection.execute("truncate rejects")
        if self.files:
            yield dlt.mark.with_table_name(pa.Table.from_pylist(self.files), FILES)
        self.scans, self.files, self.count = [], [], 0

    def _hold(self, file: File) -> Path:
        """Link or fetch a file into the load's own folder, where nobody takes it away."""
        path = self.folder / f"{len(list(self.folder.iterdir()))}-{Path(file.path).name}"
        if "file" not in self.filesystem.protocol:
            self.filesystem.get_file(file.place, str(path))
            return path
        with suppress(OSError):
            path.hardlink_to(file.place)
            return path
        shutil.copyfile(file.place, path)
        return path

    def _take(self, file: File, found: Scan) -> None:
        missing = sorted(self.shape.types.keys() - found.fields.keys())
        if missing:
            text = f": '{file.path}' lacks the columns {', '.join(missing)}; they are null."
            tally().note(self.shape.table, text)
        if found.read > found.rejected:
            self.scans.append((file.path, found))
            self.count += found.read - found.rejected

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
            by=here,
        )
        self.connection.execute(f"delete from rejects where origin = {here}")
        self.connection.execute(f"insert into rejects select {select}")
        return 1, 1

    def _good_rows(self) -> Any:
        others = sorted(
            {name for _, scan in self.scans for name in scan.fields} - {*self.shape.types}
        )
        select = " union all ".join(self._select(path, scan, others) for path, scan in self.scans)
        hints = self.connection.execute(f"select * from ({select}) limit 0").to_arrow_table()
        path = self.folder / f"rows-{len(list(self.folder.iterdir()))}"
        if self.is_duckdb:
            model = _model(path, select, hints.column_names)
            return dlt.mark.with_file_import(model, "model", self.count, hints=hints)
        self.connection.execute(f"copy ({select}) to {literal(str(path))} (format parquet)")
        return dlt.mark.with_file_import(str(path), "parquet", self.count, hints=hints)

    def _select(self, path: str, scan: Scan, others: list[str]) -> str:
        fields = {**dict.fromkeys(others, "null"), **scan.fields}
        place = f"{literal(path)} as _file, _line,"
        columns = self.shape.good(fields, load_id=self.load_id, extra=place)
        return f"select {columns} from {scan.passing}"


def _model(path: Path, select: str, columns: list[str]) -> str:
    """Write dlt's model file; the SELECT is a text in it, safe from dlt's translation of SQL."""
    names = ", ".join(f"{quoted(name)} as {quoted(name)}" for name in columns)
    path.write_text(f"dialect: duckdb\nselect {names} from query({literal(select)})\n")
    return str(path)
