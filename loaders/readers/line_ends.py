"""Line ends of files of text: LF, CR LF or CR; of a file that mixes them DuckDB makes no sense."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loaders.readers.feed import AT_ONCE, Unreadable, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXTS: Final = ("csv", "jsonl")
"""Kinds of files that consist of lines."""


class MixedLineEnds(Exception):
    """The lines of a file are counted wrongly as long as they end in different ways."""


def are_mixed(path: Path, kind: str, encoding: str) -> bool:
    """Return whether a file consists of lines, and they end in more than one way.

    Args:
        path: the file.
        kind: `csv`, `jsonl`, `array` or `parquet`.
        encoding: of a CSV file, by Python's name.

    Raises:
        Unreadable: the file is cut off.
    """
    has_bytes = kind == "jsonl" or "\r\n".encode(encoding).endswith(b"\r\n")  # not of UTF-16
    if kind not in TEXTS or not has_bytes:
        return False
    found = set()
    for block in _blocks(path):
        both = block.count(b"\r\n")
        counts = {"CR LF": both, "LF": block.count(b"\n") - both, "CR": block.count(b"\r") - both}
        found |= {end for end, count in counts.items() if count}
        if len(found) > 1:
            return True
    return False


def unified(path: Path, to: Path) -> Path:
    """Write a file anew, uncompressed, with LF as the end of each line; return where it is."""
    with to.open("wb") as out:
        for block in _blocks(path):
            out.write(block.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
    return to


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield what is in a file, in pieces that do not end between CR and LF."""
    try:
        with opened(path) as stream:
            while block := stream.read(AT_ONCE):
                yield block + stream.read(1) if block.endswith(b"\r") else block
    except OSError as error:
        raise Unreadable(str(error)) from error
