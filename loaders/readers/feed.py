"""A file's bytes for DuckDB to read: decompressed on the way, and known to be whole.

DuckDB takes a gzip that is cut off for a short one. Here a thread decompresses it into a pipe that
DuckDB reads, so that an end that is missing is noticed, and two cores share the work. A line that
does not fit into DuckDB's buffer of 32 MB would be left out without a word: it is looked for.
"""

from __future__ import annotations

import codecs
import mmap
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
LONGEST: Final = 16 << 20
"""Bytes of a line that are too many. DuckDB tells of lines from 2 MB on, up to its buffer."""


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


def check_lines(path: Path) -> None:
    """Look for a line that is too long; a newline in each stretch of a file is all that is sought.

    Raises:
        Unreadable: there is one.
    """
    size = path.stat().st_size
    if size <= LONGEST:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for begin in range(0, size - LONGEST + 1, LONGEST // 2):
            stretch = (begin, begin + LONGEST // 2)
            if content.find(b"\n", *stretch) < 0 and content.find(b"\r", *stretch) < 0:
                raise _too_long(begin)


class Lines:
    """Looks for a line that is too long in blocks that come one after the other."""

    def __init__(self) -> None:
        self.seen = 0
        """Bytes."""
        self.ended = 0
        """Where the last line ended."""

    def look(self, block: bytes) -> None:
        """Look at the next block.

        Raises:
            Unreadable: a line is too long.
        """
        end = max(block.rfind(b"\n"), block.rfind(b"\r"))
        if end >= 0:
            self.ended = self.seen + end
        self.seen += len(block)
        if self.seen - self.ended > LONGEST:
            raise _too_long(self.ended)


def _too_long(begin: int) -> Unreadable:
    return Unreadable(
        f"a line of over {LONGEST // 2 >> 20} MB goes through its byte {begin:,}; is it of the "
        "format that its name tells, and are its lines ended?"
    )


@contextmanager
def flowing(
    path: Path, pipe: Path, *, has_lines: bool = True, encoding: str | None = None
) -> Iterator[Path]:
    """Give a path at which a file can be read once, decompressed.

    Args:
        path: the file.
        pipe: where a pipe may be made for it.
        has_lines: whether it must consist of lines.
        encoding: makes utf-8 of it; bytes that are no text stay as they are.

    Raises:
        Unreadable: a line is too long; or, at the end, the file is not whole.
    """
    if codec_of(path) is None and not encoding:
        if has_lines:
            check_lines(path)
        yield path
        return
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as threads:
        fed = threads.submit(_feed, path, pipe, Lines() if has_lines else None, encoding)
        try:
            yield pipe
        finally:
            _let_go(fed, pipe)
            pipe.unlink()
        fed.result()


def _feed(path: Path, pipe: Path, lines: Lines | None, encoding: str | None) -> None:
    with pipe.open("wb", buffering=0) as out, suppress(BrokenPipeError):
        try:
            with opened(path) as stream:
                for block in _as_utf8(_blocks(stream, lines), encoding):
                    out.write(block)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Unreadable(str(error)) from error


def _blocks(stream: pa.NativeFile, lines: Lines | None) -> Iterator[pa.Buffer]:
    while (block := stream.read_buffer(AT_ONCE)).size:
        if lines:
            lines.look(block.to_pybytes())
        yield block


def _as_utf8(blocks: Iterator[pa.Buffer], encoding: str | None) -> Iterator[pa.Buffer | bytes]:
    if not encoding:
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
    for block in blocks:
        yield decoder.decode(block).encode(errors="surrogateescape")
    yield decoder.decode(b"", final=True).encode(errors="surrogateescape")


def _let_go(fed: Future[None], pipe: Path) -> None:
    """End a feed that nobody reads, or reads on; it may wait for its reader, or be about to."""
    while not fed.done():
        os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))
        wait([fed], timeout=0.01)
