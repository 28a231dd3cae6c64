"""A whole mart as a stream: DuckDB writes into a pipe, the answer is read from it.

Memory does not depend on the number of rows: what nobody reads is not written yet.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import select
import threading
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.errors import OrchestrationError
from orchestration.service.problems import Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestration.service.query import Statement

PIPE_BYTES: Final = 1 << 20
TIMES: Final = "timestampformat '%Y-%m-%dT%H:%M:%S.%fZ'"
ROWS_IN_GROUP: Final = 50_000
"""Rows of a Parquet row group, which are held in memory until they are written."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """One form in which rows are exported."""

    media_type: str
    options: str
    """Of DuckDB's COPY; empty for Arrow, which is written by its own library."""
    shrinks: bool
    """Whether gzip makes it smaller."""


FORMATS: Final = {
    "csv": Format(
        media_type="text/csv; charset=utf-8", options=f"format csv, {TIMES}", shrinks=True
    ),
    "ndjson": Format(
        media_type="application/x-ndjson", options=f"format json, {TIMES}", shrinks=True
    ),
    "parquet": Format(
        media_type="application/vnd.apache.parquet",
        options=f"format parquet, compression zstd, row_group_size {ROWS_IN_GROUP}",
        shrinks=False,
    ),
    "arrow": Format(media_type="application/vnd.apache.arrow.stream", options="", shrinks=True),
}


class ExportFailed(OrchestrationError):
    """The rows could not be read to their end."""


class Export:
    """One export under way: a thread that writes into a pipe, and whoever reads from it."""

    def __init__(
        self, cursor: Any, statement: Statement, name: str, folder: Path, *, gzip: bool
    ) -> None:
        self.cursor = cursor
        self.statement = statement
        self.format = FORMATS[name]
        self.pipe = folder / f"{secrets.token_hex(8)}.pipe"
        self.error: BaseException | None = None
        self._gzip = zlib.compressobj(level=1, wbits=31) if gzip else None
        folder.mkdir(parents=True, exist_ok=True)  # whoever tidies /tmp may have been here
        os.mkfifo(self.pipe, 0o600)
        # opened before the writer, so that neither waits for the other in vain
        self._end = os.open(self.pipe, os.O_RDONLY | os.O_NONBLOCK)
        with contextlib.suppress(OSError, AttributeError):  # Linux knows it, and has a limit
            fcntl.fcntl(self._end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._reading = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="export", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            if self.format.options:
                self._copy()
            else:
                self._arrow()
        except BaseException as error:  # noqa: BLE001  told to the reader
            self.error = error

    def _copy(self) -> None:
        sql = f"copy ({self.statement.sql}) to '{self.pipe}' ({self.format.options})"
        self.cursor.execute(sql, list(self.statement.values))

    def _arrow(self) -> None:
        import pyarrow as pa

        result = self.cursor.execute(self.statement.sql, list(self.statement.values))
        reader = result.to_arrow_reader(ROWS_IN_GROUP)
        with (
            self.pipe.open("wb", buffering=PIPE_BYTES) as sink,
            pa.ipc.new_stream(sink, reader.schema) as writer,
        ):
            for batch in reader:
                writer.write_batch(batch)

    def read(self) -> bytes | None:
        """Return the next piece, None at the end; waits for it.

        Raises:
            ExportFailed: the writer ended early; what was read so far is not the whole.
        """
        while True:
            with self._reading:
                piece = self._piece()
            if piece is None:
                return self._last()
            if self._gzip:
                piece = self._gzip.compress(piece)
            if piece:
                return piece

    def _piece(self) -> bytes | None:
        if self._end < 0:
            return None
        poll = select.poll()
        poll.register(self._end, select.POLLIN | select.POLLHUP)
        while not poll.poll(100):
            if not self._thread.is_alive() and not poll.poll(0):
                return None  # it failed before it began to write
        pieces = []
        size = 0
        with contextlib.suppress(BlockingIOError):
            while size < PIPE_BYTES and (piece := os.read(self._end, PIPE_BYTES)):
                pieces.append(piece)
                size += len(piece)
        return b"".join(pieces) or (None if self._is_over() else b"")

    def _is_over(self) -> bool:
        """Tell whether the writer is gone; it may just have closed the pipe."""
        self._thread.join(5.0)
        return not self._thread.is_alive()

    def _last(self) -> bytes | None:
        self._thread.join()
        if self.error is not None:
            reason = str(self.error).partition("\n")[0]
            raise ExportFailed(f"Cannot export: {reason}. Ask again.") from self.error
        gzip, self._gzip = self._gzip, None
        return gzip.flush() if gzip else None

    def close(self) -> None:
        """End the export, wherever it is."""
        with contextlib.suppress(Exception):
            self.cursor.interrupt()
        with self._reading:  # the number of a closed file is soon another's
            os.close(self._end)
            self._end = -1
        self._thread.join(10.0)
        with contextlib.suppress(Exception):
            self.cursor.close()
        self.pipe.unlink(missing_ok=True)


class Exports:
    """Lets so many exports run at the same time."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._free = threading.Semaphore(most)

    def start(self, make: Callable[[], Export]) -> Export:
        """Begin an export; `finish` must follow.

        Raises:
            Refused: 503, when too many run already.
        """
        if not self._free.acquire(blocking=False):
            raise Refused(
                503, f"{self.most} exports run already. Ask again soon.", {"Retry-After": "5"}
            )
        try:
            return make()
        except BaseException:
            self._free.release()
            raise

    def finish(self, export: Export) -> None:
        """End an export and make room for another one."""
        try:
            export.close()
        finally:
            self._free.release()
