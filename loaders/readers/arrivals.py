"""How a file arrives in DuckDB, once what must be known beforehand was looked up in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loaders.readers.feed import flowing
from loaders.readers.formats import (
    Arrival,
    CsvOptions,
    csv_arrival,
    csv_names,
    json_key_lists,
    jsonl_arrival,
    parquet_arrival,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import duckdb

SAMPLE_ROWS: Final = 10_000
"""So many objects of a JSON Lines file tell its keys, unless one further on has others."""


class Arrivals:
    """Looks files up, by a connection."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        csv: CsvOptions,
        declared: Sequence[str],
        pipe: Path,
    ) -> None:
        """Begin.

        Args:
            connection: to any DuckDB.
            csv: how CSV files are written.
            declared: the columns of one that has no header.
            pipe: where a pipe may be made.
        """
        self.connection = connection
        self.csv = csv
        self.declared = list(declared)
        self.pipe = pipe

    def of(self, kind: str, path: Path) -> Callable[[Path], Arrival] | None:
        """Return what makes an arrival of the place where its bytes are; None of an empty file."""
        if kind == "csv":
            names = csv_names(path, self.csv, self.declared)
            return (lambda place: csv_arrival(place, names, self.csv)) if names else None
        if kind == "jsonl":
            key_lists = self.key_lists(path, SAMPLE_ROWS)
            return lambda place: jsonl_arrival(place, key_lists, are_all=False)
        return lambda place: parquet_arrival(place, self.connection)

    def key_lists(self, path: Path, rows: int | None = None) -> list[list[str]]:
        """Return each list of keys of an object of a JSON Lines file, or of its first rows."""
        with flowing(path, self.pipe) as place:
            found = self.connection.execute(json_key_lists(place, rows)).fetchall()
        return sorted(list(keys) for (keys,) in found)
