"""A load's files on their way into the warehouse, and what dlt is told of them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import dlt
import duckdb
import pyarrow as pa

from loaders.accounting import tally
from loaders.columns import duckdb_type, formats, literal, nulls
from loaders.drift import widened
from loaders.duckdb_merge import default_memory
from loaders.gate import reject_select
from loaders.quarantine import rejected
from loaders.raw_client import current_pipeline
from loaders.readers.feed import Unreadable
from loaders.readers.formats import kind_in
from loaders.readers.landing import InDuckDB, InPostgres
from loaders.readers.line_ends import MixedLineEnds, are_mixed, unified
from loaders.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from fsspec import AbstractFileSystem

    from loaders.readers.folder import File
    from loaders.readers.formats import CsvOptions
    from loaders.readers.placing import Placed

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

    Yields what dlt takes: rejects, and a row for each file.
    """

    def __init__(
        self,
        table: str,
        columns: Mapping[str, Mapping[str, Any]],
        filesystem: AbstractFileSystem,
        csv: CsvOptions,
    ) -> None:
        types = {name: duckdb_type(hint) for name, hint in columns.items()}
        self.shape = Shape(
            table=table, types=types, key=(), formats=formats(columns), nulls=nulls(columns)
        )
        self.columns = columns
        self.filesystem = filesystem
        self.csv = csv
        self.files: list[dict[str, Any]] = []
        self.count = 0
        """Rows read and not yet handed over."""
        self.lacking: dict[str, list[str]] = {}
        """Declared columns to the files that do not have them."""

    def __enter__(self) -> Self:
        self.load_id = tally().load_id
        self.shape = replace(self.shape, rule=tally().rule(self.shape.table))
        pipeline = current_pipeline()
        self.folder = _own_folder(Path(pipeline.working_dir), self.load_id, self.shape.table)
        is_duckdb = pipeline.destination.destination_name == "duckdb"
        landing = InDuckDB if is_duckdb else InPostgres
        self.landing = landing(
            pipeline, self.shape, self.load_id, self.csv, self.folder, self._widen
        )
        self.connection = self.landing.connection
        self._widen(self.shape.types)
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure:
            self.landing.discard()
        for missing, paths in self.lacking.items():
            lack = "lacks" if len(paths) == 1 else f"and {len(paths) - 1:,} more lack"
            text = f": '{paths[0]}' {lack} the columns {missing}; they are null."
            tally().note(self.shape.table, text)
        self.landing.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _widen(self, names: Iterable[str]) -> None:
        """Add columns that are new: declared ones as they are declared, others as text."""
        new = [name for name in names if name not in self.landing.known]
        if not new:
            return
        hints: dict[str, Any] = {
            name: {"data_type": "text", **self.columns.get(name, {}), "name": name} for name in new
        }
        self.landing.add({name: self.shape.types.get(name, "varchar") for name in new}, hints)
        self.landing.known.update(new)
        table: Any = {"name": self.shape.table, "columns": hints}
        dlt.current.source_schema().update_table(table)
        told = widened({name: hint["data_type"] for name, hint in hints.items()})
        tally().note(self.shape.table, f" {told}")

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
        tally().add(self.shape.table, read=read, good=good, placed=good)
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
        path = self._at(file)
        kind = kind_in(path, file.kind)
        place = partial(self.landing.place, file.path, kind, edition=self.edition)
        try:
            placed = self._within(place, path)
        except (MixedLineEnds, duckdb.InvalidInputException):
            if not are_mixed(path, kind, self.csv.encoding):
                raise
            path = unified(path, self.folder / "unified")
            text = f": the lines of '{file.path}' end in different ways; all are read as LF."
            tally().note(self.shape.table, text)
            placed = self._within(place, path)
        if placed and (missing := sorted(self.shape.types.keys() - placed.fields)):
            self.lacking.setdefault(", ".join(missing), []).append(file.path)
        return placed

    def _within(self, place: Callable[[Path], Placed | None], path: Path) -> Placed | None:
        """Place a file within the memory that is meant for it; one of very wide rows beyond."""
        try:
            return place(path)
        except (duckdb.OutOfMemoryException, duckdb.TransactionException) as error:
            is_commit = isinstance(error, duckdb.TransactionException)
            if is_commit and "block of size" not in str(error):  # a commit lacks it by another name
                raise
            self.connection.execute(f"set memory_limit = '{default_memory()}'")
            return place(path)

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

        for batch in self.connection.execute("select * from rejects").to_arrow_reader(
            REJECTS_AT_ONCE
        ):
            yield rejected(pa.Table.from_batches([batch]))
        self.connection.execute("truncate rejects")
        if self.files:
            yield dlt.mark.with_table_name(pa.Table.from_pylist(self.files), FILES)
        self.files, self.count = [], 0


def _own_folder(working: Path, load_id: str, table: str) -> Path:
    """Return a folder for a table's files; those of earlier loads, cut off, are deleted."""
    incoming = working / "incoming"
    folder = incoming / load_id / table
    folder.mkdir(parents=True)
    for older in incoming.iterdir():
        if older.name < load_id:
            shutil.rmtree(older, ignore_errors=True)
    return folder
