"""Rows of PostgreSQL on their way: taken at the server's speed, given at the reader's.

A reader who is slow holds a file on the disk here, and no table there that a publish waits for.
"""

from __future__ import annotations

import os
import tempfile
import threading
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Spool:
    """Arrow batches in a file without a name: one thread writes, whoever reads follows behind."""

    def __init__(self, source: Any, folder: Path, close_source: Callable[[], object]) -> None:
        self.schema = source.schema
        self._source = source
        self._close_source = close_source
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  closed below
        self._sizes: list[int] = []
        self._error: BaseException | None = None
        self._is_over = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._take, name="spool", daemon=True)
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
