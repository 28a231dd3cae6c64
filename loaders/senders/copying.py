"""DuckDB writes the files: a select goes to CSV, JSON Lines or Parquet at engine speed."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from loaders.delivery_sql import Model, family, names, quoted, relation
from loaders.senders.watched import Counted, Progress, watched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loaders.connection import Connection

Format = Literal["csv", "jsonl", "parquet"]
Compression = Literal["none", "gzip", "zstd"]

_WRITTEN = {"csv": "format csv, header true", "jsonl": "format json", "parquet": "format parquet"}
NULL = "\\N"
"""Stands for null in a CSV file; a text that is the same goes in quotes, and is none."""
EXPORTED = 0.7
"""The share of the work that is done when PostgreSQL's rows have left it."""
_SUFFIX = {"none": "", "gzip": ".gz", "zstd": ".zst"}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How rows are laid out in files."""

    format: Format = "csv"
    compression: Compression = "gzip"
    partition_by: tuple[str, ...] = ()
    order_by: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """The end of a file's name; Parquet compresses inside."""
        return (
            ".parquet"
            if self.format == "parquet"
            else (f".{self.format}{_SUFFIX[self.compression]}")
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the model has to have."""
        return (*self.partition_by, *self.order_by)

    @property
    def facts(self) -> dict[str, str]:
        """What a manifest says of the files' form."""
        return {"format": self.format, "compression": self.compression}

    @property
    def options(self) -> str:
        """The options of DuckDB's COPY."""
        compression = self.compression
        if self.format == "parquet" and compression == "none":
            return f"{_WRITTEN[self.format]}, compression uncompressed"
        return f"{_WRITTEN[self.format]}, compression {compression}"

    def name(self, stem: str, values: Sequence[Any]) -> str:
        """Return a file's name under its folder, partitions as `column=value/`."""
        if not self.partition_by:
            return f"{stem}{self.suffix}"
        parts = [
            f"{column}={_fit(value)}"
            for column, value in zip(self.partition_by, values, strict=True)
        ]
        return "/".join((stem, *parts, f"{stem}{self.suffix}"))


@dataclass(frozen=True, kw_only=True)
class Part:
    """The rows that go into one file."""

    values: tuple[Any, ...]
    """Those of the partition columns."""
    rows: int
    fingerprint: str
    """The same for the same rows in any order."""


def parts(connection: Connection, model: Model, layout: Layout) -> list[Part]:
    """Count and fingerprint the rows of each file, in one pass, without sorting them."""
    by = names(layout.partition_by)
    columns = f"{by}, " if by else ""
    grouped = f" group by {by} order by {by}" if by else ""
    whole = Model(kind=model.kind, name=model.name, key=(), types=model.types)
    digest = f"sum({_number(model.kind, whole.hash())})"
    found = connection.execute(
        f"select {columns}count(*), {digest} from {relation(model.name)} as model{grouped}"
    ).fetchall()
    shape = ",".join(f"{column} {kind}" for column, kind in model.types.items())
    return [
        Part(values=tuple(row[:-2]), rows=int(row[-2]), fingerprint=_digest(shape, layout, row))
        for row in found
    ]


def part_query(model: Model, part: Part, layout: Layout) -> tuple[str, dict[str, str]]:
    """Return the select for one file's rows, and the type of each of its columns."""
    types = {name: kind for name, kind in model.types.items() if name not in layout.partition_by}
    pairs = zip(layout.partition_by, part.values, strict=True)
    conditions = [_equals(column, value) for column, value in pairs]
    query = f"select {names(list(types))} from {relation(model.name)}"
    if conditions:
        query += f" where {' and '.join(conditions)}"
    if layout.order_by:
        query += f" order by {', '.join(_ordered(model, column) for column in layout.order_by)}"
    return query, types


def copy(
    connection: Connection,
    query: str,
    types: dict[str, str],
    layout: Layout,
    path: Path,
    progress: Progress | None = None,
) -> None:
    """Write a query's rows to a file. PostgreSQL's go through a CSV file that DuckDB reads."""
    to = f"to '{escaped(str(path))}' ({layout.options})"
    if connection.kind == "duckdb":
        with watched(connection.raw, progress.tell if progress else None):
            connection.execute(f"copy ({query}) {to}")
        return
    import duckdb

    with TemporaryDirectory() as folder, duckdb.connect() as engine:
        rows = Path(folder) / "rows.csv"
        export(connection, query, rows, NULL, progress.part(0.0, EXPORTED) if progress else None)
        columns = ", ".join(f"'{escaped(name)}': '{_plain(kind)}'" for name, kind in types.items())
        source = (
            f"read_csv('{rows}', columns = {{{columns}}}, auto_detect = false, header = false, "
            f"quote = '\"', escape = '\"', nullstr = '{NULL}', allow_quoted_nulls = false)"
        )
        with watched(engine, progress.part(EXPORTED, 1.0).tell if progress else None):
            engine.execute(f"copy (from {source}) {to}")


def export(
    connection: Connection, query: str, path: Path, null: str, progress: Progress | None = None
) -> None:
    """Write a query's rows to a CSV file without a header; the warehouse itself does it."""
    if connection.kind == "duckdb":
        options = f"format csv, header false, nullstr '{null}'"
        connection.execute(f"copy ({query}) to '{escaped(str(path))}' ({options})")
        return
    with path.open("wb") as file, connection.raw.cursor() as cursor:
        to: Any = Counted(file, progress) if progress else file
        cursor.copy_expert(f"copy ({query}) to stdout (format csv, null '{null}')", to)


def _number(kind: str, digest: str) -> str:
    if kind == "postgres":
        return f"('x' || substr({digest}, 1, 15))::bit(60)::bigint"
    return f"cast('0x' || substr({digest}, 1, 15) as bigint)"


def _digest(shape: str, layout: Layout, row: tuple[Any, ...]) -> str:
    text = f"{shape}|{layout}|{row[-2]}|{row[-1]}"
    return sha256(text.encode()).hexdigest()


def _equals(column: str, value: Any) -> str:
    if value is None:
        return f"{quoted(column)} is null"
    return f"{quoted(column)} = '{escaped(str(value))}'"


def _fit(value: Any) -> str:
    return "__HIVE_DEFAULT_PARTITION__" if value is None else quote(str(value), safe=" :+")


def _ordered(model: Model, column: str) -> str:
    """Text in the order of its bytes, as DuckDB has it; nulls are last in both."""
    is_text = model.kind == "postgres" and family(model.types[column]) == "text"
    return f'{quoted(column)} collate "C"' if is_text else quoted(column)


def _plain(kind: str) -> str:
    """Return DuckDB's name for a type of PostgreSQL."""
    found = family(kind)
    return (
        {"integer": "bigint", "text": "varchar"}.get(found, found)
        if found != "numeric"
        else (kind if "(" in kind else "decimal(38, 9)")
    )


def escaped(text: str) -> str:
    """Return a text for use between single quotes."""
    return text.replace("'", "''")
