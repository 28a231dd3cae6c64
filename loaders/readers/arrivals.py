"""How a file arrives in DuckDB, once what must be known beforehand was looked up in it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from loaders.gate import normalize
from loaders.readers.feed import flowing
from loaders.readers.formats import (
    Arrival,
    CsvOptions,
    csv_arrival,
    csv_names,
    parquet_arrival,
)
from loaders.readers.json_format import json_arrival, json_key_lists
from loaders.readers.judged import judged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    import duckdb

    from loaders.shape import Shape

    Arrive = Callable[..., Arrival]

SAMPLE_ROWS: Final = 10_000
"""So many objects of a JSON Lines file tell its keys, unless one further on has others."""


class Arrivals:
    """Looks files up, by a connection."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        csv: CsvOptions,
        declared: Mapping[str, str],
        pipe: Path,
    ) -> None:
        """Begin.

        Args:
            connection: to any DuckDB.
            csv: how CSV files are written.
            declared: the columns, which one without a header has, and their DuckDB types.
            pipe: where a pipe may be made.
        """
        self.connection = connection
        self.csv = csv
        self.declared = declared
        self.pipe = pipe

    def judged(self, shape: Shape, kind: str, arrival: Arrival) -> Shape:
        """Return what rows must be like in a file of a kind."""
        return judged(shape, arrival, self.csv.decimal if kind == "csv" else ".")

    def flowing(self, kind: str, path: Path) -> AbstractContextManager[Path]:
        """Give a path at which a file can be read once; see `feed`."""
        encoding = self.csv.foreign_encoding if kind == "csv" else None
        return flowing(path, self.pipe, has_lines=kind in {"csv", "jsonl"}, encoding=encoding)

    def of(self, kind: str, path: Path) -> Arrive | None:
        """Return what makes an arrival of the place where its bytes are; None of an empty file."""
        if kind == "csv":
            names = csv_names(path, self.csv, list(self.declared))
            return partial(csv_arrival, names=names, options=self.csv) if names else None
        if kind == "parquet":
            return partial(parquet_arrival, connection=self.connection)
        key_lists = self.key_lists(kind, path, SAMPLE_ROWS)
        return partial(
            json_arrival,
            kind=kind,
            key_lists=key_lists,
            are_all=False,
            is_decimal=lambda key: self.declared.get(normalize(key), "").startswith("decimal"),
        )

    def key_lists(self, kind: str, path: Path, rows: int | None = None) -> list[list[str]]:
        """Return each list of keys of an object of a file of JSON, or of its first rows.

        The most usual is the first.
        """
        with self.flowing(kind, path) as place:
            found = self.connection.execute(json_key_lists(place, kind, rows)).fetchall()
        return [list(keys) for (keys,) in found]
