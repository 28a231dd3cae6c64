"""DuckDB writes the files: a select goes to CSV, JSON Lines or Parquet at engine speed."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from loaders.delivery_sql import Model, names, quoted, relation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from loaders.connection import Connection
    from loaders.warehouse import Target

Format = Literal["csv", "jsonl", "parquet"]
Compression = Literal["none", "gzip", "zstd"]

_WRITTEN = {"csv": "format csv, header true", "jsonl": "format json", "parquet": "format parquet"}
_TEXTS = ("text", "character varying", "character")
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
    digest = f"sum({_number(model.kind, f'md5({whole.json()})')})"
    found = connection.execute(
        f"select {columns}count(*), {digest} from {relation(model.name)} as model{grouped}"
    ).fetchall()
    shape = ",".join(f"{column} {kind}" for column, kind in model.types.items())
    return [
        Part(values=tuple(row[:-2]), rows=int(row[-2]), fingerprint=_digest(shape, layout, row))
        for row in found
    ]


@contextmanager
def copier(connection: Connection, target: Target, model: Model) -> Iterator[Copier]:
    """Give the engine that writes a model's files: the warehouse itself, or a DuckDB beside it."""
    if connection.kind == "duckdb":
        yield Copier(engine=connection.raw, model=model, dsn=None)
        return
    import duckdb

    with duckdb.connect() as engine:
        yield Copier(engine=engine, model=model, dsn=target.dsn)


@dataclass(frozen=True, kw_only=True)
class Copier:
    """Writes parts of a model to files."""

    engine: Any
    model: Model
    dsn: str | None
    """PostgreSQL's address, when the rows are there."""

    def write(self, part: Part, layout: Layout, path: Path) -> None:
        """Write one file."""
        columns = [column for column in self.model.types if column not in layout.partition_by]
        query = f"select {self._selected(columns)} from {relation(self.model.name)}"
        pairs = zip(layout.partition_by, part.values, strict=True)
        conditions = [_equals(column, value) for column, value in pairs]
        if conditions:
            query += f" where {' and '.join(conditions)}"
        if layout.order_by:
            query += f" order by {', '.join(map(self._ordered, layout.order_by))}"
        self._copy(query, columns, layout, path)

    def _copy(self, query: str, columns: list[str], layout: Layout, path: Path) -> None:
        to = f"to '{_escaped(str(path))}' ({layout.options})"
        if self.dsn is None:
            self.engine.execute(f"copy ({query}) {to}")
            return
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(self.dsn) as postgres, postgres.cursor() as cursor:
            cursor.execute(query)
            self.engine.register("fetched", cursor.fetch_record_batch())
            self.engine.execute(f"copy (select {self._cast(columns)} from fetched) {to}")
            self.engine.unregister("fetched")

    def _ordered(self, column: str) -> str:
        """Text in the order of its bytes, as DuckDB has it, and nulls last."""
        is_text = self.dsn is not None and self.model.types[column] in _TEXTS
        return f'{quoted(column)} collate "C"' if is_text else quoted(column)

    def _selected(self, columns: list[str]) -> str:
        if self.dsn is None:
            return names(columns)
        return ", ".join(
            f"cast({quoted(column)} as text) as {quoted(column)}"
            if self._numeric(column)
            else quoted(column)
            for column in columns
        )

    def _cast(self, columns: list[str]) -> str:
        return ", ".join(
            f"cast({quoted(column)} as {self._numeric(column)}) as {quoted(column)}"
            if self._numeric(column)
            else quoted(column)
            for column in columns
        )

    def _numeric(self, column: str) -> str | None:
        """ADBC has no decimals for a numeric: it travels as text and gets its scale back here."""
        kind = self.model.types[column]
        return kind if kind.startswith("numeric") else None


def _number(kind: str, digest: str) -> str:
    if kind == "postgres":
        return f"('x' || substr({digest}, 1, 15))::bit(60)::bigint"
    return f"cast('0x' || substr({digest}, 1, 15) as bigint)"


def _digest(shape: str, layout: Layout, row: tuple[Any, ...]) -> str:
    from hashlib import sha256

    text = f"{shape}|{layout}|{row[-2]}|{row[-1]}"
    return sha256(text.encode()).hexdigest()


def _equals(column: str, value: Any) -> str:
    if value is None:
        return f"{quoted(column)} is null"
    return f"{quoted(column)} = '{_escaped(str(value))}'"


def _fit(value: Any) -> str:
    from urllib.parse import quote

    return "__HIVE_DEFAULT_PARTITION__" if value is None else quote(str(value), safe=" :+")


def _escaped(text: str) -> str:
    return text.replace("'", "''")
