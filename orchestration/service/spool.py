"""The files of large batches: the items as they came, and the result of each."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from pathlib import Path

    from orchestration.service.splitting import Splitter

CHUNK: Final = 1000
"""Items that are applied in one transaction."""


def items_path(folder: Path, batch_id: str) -> Path:
    """Return the file of a batch's items, one on each line."""
    return folder / f"{batch_id}.items"


def results_path(folder: Path, batch_id: str) -> Path:
    """Return the file of a batch's results, one on each line."""
    return folder / f"{batch_id}.results"


class Spool:
    """Writes a batch's items to disk while they arrive."""

    def __init__(self, folder: Path, batch_id: str, splitter: Splitter) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = items_path(folder, batch_id)
        self.splitter = splitter
        self.count = 0
        self.is_kept = False
        """Whether the batch was taken, and its file is the worker's."""
        self._digest = hashlib.sha256()
        self._part = self.path.with_suffix(".part")
        self._file = self._part.open("wb")

    @property
    def digest(self) -> str:
        """What tells this body from another one."""
        return self._digest.hexdigest()

    def write(self, piece: bytes) -> None:
        """Take a piece of the body."""
        self._digest.update(piece)
        self._put(list(self.splitter.feed(piece)))

    def finish(self) -> None:
        """Take the body's end, and have all of it on the disk."""
        self._put(list(self.splitter.end()))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self.path)
        sync_folder(self.path.parent)

    def _put(self, lines: list[bytes]) -> None:
        self.count += len(lines)
        self._file.writelines(line + b"\n" for line in lines)

    def drop(self) -> None:
        """Forget a batch that was not taken."""
        self._file.close()
        if self.is_kept:
            return
        self._part.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Have a folder's list of files on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_chunk(folder: Path, batch_id: str, at: int) -> tuple[list[bytes], int]:
    """Return the next lines of a batch behind a position in bytes, and the position behind them."""
    with items_path(folder, batch_id).open("rb") as file:
        file.seek(at)
        lines = [line for _, line in zip(range(CHUNK), file, strict=False)]
    return lines, at + sum(map(len, lines))


def append_results(folder: Path, batch_id: str, at: int, results: list[dict[str, Any]]) -> int:
    """Write results behind a position in bytes, on the disk, and return the position behind them.

    What stands behind the position was written by a server that died before it could say so.
    """
    path = results_path(folder, batch_id)
    path.touch()
    with path.open("r+b") as file:
        file.truncate(at)
        file.seek(at)
        file.write(b"".join(orjson.dumps(result) + b"\n" for result in results))
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def read_results(
    folder: Path, batch_id: str, *, at: int, skip: int, count: int
) -> list[dict[str, Any]]:
    """Return results from a position in bytes on, leaving out the first `skip`."""
    with results_path(folder, batch_id).open("rb") as file:
        file.seek(at)
        for _ in range(skip):
            file.readline()
        return [orjson.loads(line) for _, line in zip(range(count), file, strict=False)]


def remove(folder: Path, batch_id: str) -> None:
    """Delete a batch's files."""
    items_path(folder, batch_id).unlink(missing_ok=True)
    results_path(folder, batch_id).unlink(missing_ok=True)
