"""A file's bytes for DuckDB to read: decompressed on the way, and known to be whole.

DuckDB takes a gzip that is cut off for a short one. Here a thread decompresses it into a pipe that
DuckDB reads, so that an end that is missing is noticed, and two cores share the work.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

CODECS: Final = {"gz": "gzip", "zst": "zstd"}
AT_ONCE: Final = 1 << 20
"""Bytes."""


class Unreadable(Exception):
    """A file that is cut off, or is not what its name says."""


def codec_of(path: Path) -> str | None:
    """Return pyarrow's name of the compression that a file's name tells of."""
    return CODECS.get(path.suffix.lower().removeprefix("."))


@contextmanager
def opened(path: Path) -> Iterator[pa.NativeFile]:
    """Open a file for its bytes, decompressed as its name says."""
    with pa.input_stream(str(path), compression=codec_of(path)) as stream:
        yield stream


def check_whole(path: Path) -> None:
    """Read a compressed file to its end.

    Raises:
        Unreadable: the end is not there.
    """
    if codec_of(path) is None:
        return
    try:
        with opened(path) as stream:
            while stream.read_buffer(AT_ONCE).size:
                pass
    except OSError as error:
        raise Unreadable(str(error)) from error


@contextmanager
def flowing(path: Path, pipe: Path) -> Iterator[Path]:
    """Give a path at which a file can be read once, decompressed.

    Args:
        path: the file.
        pipe: where a pipe may be made for it.

    Raises:
        Unreadable: at the end, when the file is not whole.
    """
    if codec_of(path) is None:
        yield path
        return
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as threads:
        fed = threads.submit(_feed, path, pipe)
        try:
            yield pipe
        finally:
            _let_go(fed, pipe)
            pipe.unlink()
        fed.result()


def _feed(path: Path, pipe: Path) -> None:
    with pipe.open("wb", buffering=0) as out, suppress(BrokenPipeError):
        try:
            with opened(path) as stream:
                while (block := stream.read_buffer(AT_ONCE)).size:
                    out.write(block)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Unreadable(str(error)) from error


def _let_go(fed: Future[None], pipe: Path) -> None:
    """End a feed that nobody reads, or reads on; it may wait for its reader, or be about to."""
    while not fed.done():
        os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))
        wait([fed], timeout=0.01)
