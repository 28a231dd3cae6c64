"""An export from PostgreSQL: rows arrive as Arrow, and DuckDB writes them out as from its own."""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from orchestration.service.export import Export
from orchestration.service.published import readable
from orchestration.service.query import Statement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orchestration.service.catalog import Mart
    from orchestration.service.published import Published


def begin(
    published: Published, mart: Mart, statement: Statement, form: str, *, gzip: bool
) -> Export:
    """Begin the export of a statement.

    Raises:
        NotPublished: the mart is not there, or not as its yml has it.
    """
    import adbc_driver_postgresql.dbapi as adbc

    with readable(mart.model):
        source = adbc.connect(published.target.dsn)
        try:
            cursor = source.cursor()
            cursor.execute(f"set search_path to {published.schema}")
            cursor.execute(numbered(statement.sql), list(statement.values) or None)
            rows = Rows(source, cursor, published.folder)
        except BaseException:
            source.close()
            raise
    return Export(rows, Statement(sql=_typed(mart)), form, published.folder, gzip=gzip)


def numbered(sql: str) -> str:
    """Return SQL with $1, $2 for each question mark; there is none in a name."""
    first, *rest = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))


def _typed(mart: Mart) -> str:
    """Return the select over what arrived: exact numbers arrive as text."""
    columns = ", ".join(
        f'"{c.name}"::{c.data_type} as "{c.name}"' if c.kind == "decimal" else f'"{c.name}"'
        for c in mart.columns
    )
    return f"select {columns} from arrived"


class Rows:
    """Looks like a DuckDB cursor on a table; closes what it reads from as well."""

    def __init__(self, source: Any, cursor: Any, folder: Path) -> None:
        import duckdb

        self.source = source
        self.cursor = cursor
        self.engine = duckdb.connect()
        self.engine.execute("set TimeZone = 'UTC'")
        self.backlog = Backlog(cursor.fetch_record_batch(), folder, self._let_go)
        self.engine.register("arrived", self.backlog.reader())

    def _let_go(self) -> None:
        self.cursor.close()
        self.source.close()

    def execute(self, sql: str, values: list[Any]) -> Any:
        """Run a statement over the rows that arrive."""
        return self.engine.execute(sql, values)

    def interrupt(self) -> None:
        """End what runs."""
        with suppress(Exception):  # it may be at its end by now
            self.cursor.adbc_cancel()
        self.backlog.close()
        self.engine.interrupt()

    def close(self) -> None:
        """Give all of it free."""
        self.backlog.close()
        self.engine.close()


class Backlog:
    """Arrow batches in a file without a name: one thread writes, whoever reads follows behind.

    Taken at the server's speed and given at the reader's: who reads slowly holds a file on the disk
    here, and no table there that a publish waits for.
    """

    def __init__(self, source: Any, folder: Path, close_source: Callable[[], object]) -> None:
        self.schema = source.schema
        self._source = source
        self._close_source = close_source
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  closed below
        self._sizes: list[int] = []
        self._error: BaseException | None = None
        self._is_over = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._take, name="backlog", daemon=True)
        self._thread.start()

    def reader(self) -> pa.RecordBatchReader:
        """Return the batches as they come."""
        return pa.RecordBatchReader.from_batches(self.schema, self._batches())

    def _take(self) -> None:
        """Take all there is, then let the source go."""
        try:
            for batch in self._source:
                if self._is_over:
                    break
                piece = batch.serialize()
                self._file.write(piece)
                self._tell(size=len(piece))
        except BaseException as error:  # noqa: BLE001  told to the reader
            self._error = error
        finally:
            self._close_source()
            self._tell(is_over=True)

    def _tell(self, *, size: int | None = None, is_over: bool = False) -> None:
        with self._changed:
            if size is not None:
                self._sizes.append(size)
            self._is_over = self._is_over or is_over
            self._changed.notify_all()

    def _batches(self) -> Iterator[pa.RecordBatch]:
        at = number = 0
        while (size := self._size(number)) is not None:
            piece = os.pread(self._file.fileno(), size, at)
            yield pa.ipc.read_record_batch(pa.py_buffer(piece), self.schema)
            at, number = at + size, number + 1
        if self._error is not None:
            raise self._error

    def _size(self, number: int) -> int | None:
        """Return how long a batch is, once it is there; None behind the last."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or number < len(self._sizes))
            return self._sizes[number] if number < len(self._sizes) else None

    def close(self) -> None:
        """Stop taking, and give the file free."""
        self._tell(is_over=True)
        self._thread.join(10.0)
        self._file.close()
