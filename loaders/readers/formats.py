"""How each file format arrives in DuckDB: as rows of text or types, with what could not be split.

CSV is read as text and cast by gate one: DuckDB's own casts in `read_csv` would round '1.5' to 2
in a column of whole numbers. What is no row at all (too many columns, a broken quote) comes from
DuckDB's `store_rejects`.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from loaders.columns import literal, quoted
from loaders.naming import numbered
from loaders.readers.feed import CODECS, Unreadable, opened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb

START: Final = 4096
"""Bytes of a file that tell whether it is an array."""
LONGEST_HEADER: Final = 1 << 20
"""Characters."""
KEEP_BROKEN: Final = "store_rejects=true, rejects_table='broken', rejects_scan='broken_scan'"
"""Option of read_csv: lines that are no rows go to the table `broken`."""
NESTED: Final = re.compile(r"\]$|^(STRUCT|MAP|UNION)\(")
"""Types of lists and records, which are handed on as JSON."""
DUCKDB_ENCODINGS: Final = {
    "ascii": "utf-8",
    "iso8859-1": "latin-1",
    "utf-16": "utf-16",
    "utf-8": "utf-8",
    "utf-8-sig": "utf-8",
}
"""Python's names of encodings to DuckDB's."""
KINDS: Final = {
    "csv": "csv",
    "tsv": "csv",
    "txt": "csv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json": "json",
    "parquet": "parquet",
}


@dataclass(frozen=True, kw_only=True)
class CsvOptions:
    """How the CSV files of a folder are written."""

    delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    encoding: str = "utf-8"
    """By Python's name: `latin-1`, `cp1252`, `shift_jis`."""
    header: bool = True
    """Without a header the declared columns are taken in their order."""
    skip: int = 0
    """Lines above the header that are neither header nor rows."""
    nulls: tuple[str, ...] = ("",)
    """What stands for nothing, in quotes or not, such as `("", "NA")`."""
    decimal: str = "."
    """What stands before the decimals of a declared number: `.` or `,`; the other is in none."""

    def __post_init__(self) -> None:
        """Refuse an encoding that nobody knows."""
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            told = f"Unknown encoding '{self.encoding}'. Python's names are known: utf-8, cp1252."
            raise ValueError(told) from None

    @property
    def duckdb_encoding(self) -> str:
        """What DuckDB is told: its own name of the encoding, or that of what others become."""
        return DUCKDB_ENCODINGS.get(codecs.lookup(self.encoding).name, "utf-8")

    @property
    def foreign_encoding(self) -> str | None:
        """The encoding, where DuckDB does not know it."""
        return None if codecs.lookup(self.encoding).name in DUCKDB_ENCODINGS else self.encoding


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A file's rows as a DuckDB relation."""

    relation: str
    """SQL that gives one row for each that can be told apart, in their order."""
    fields: dict[str, str]
    """Source column to the SQL expression of its value."""
    payload: str
    """SQL expression of the whole row as text."""
    key_lists: Sequence[Sequence[str]] = ()
    """The columns that one row may have; those of all fields where it is empty."""
    types: dict[str, str] = field(default_factory=dict)
    """Source column to DuckDB type, where a format has types."""
    line: str = ""
    """SQL expression of a row's line; without it lines are counted, from `first_line`."""
    first_line: int = 1
    unreadable: str = "null"
    """SQL expression that tells why a line is no row, else null."""
    is_blank: str = "false"
    """SQL condition of a line that is neither a row nor a fault."""
    is_novel: str = "false"
    """SQL condition of a row that may have more than the fields that were looked for."""


def kind_of(path: str) -> str | None:
    """Return `csv`, `json`, `jsonl` or `parquet` by a file's name; None when it is none of them."""
    parts = path.lower().rsplit("/", 1)[-1].split(".")
    if parts[-1] in CODECS:
        parts.pop()
    return KINDS.get(parts[-1]) if len(parts) > 1 else None


def kind_in(path: Path, kind: str) -> str:
    """Return the kind of a file by what is in it: a `json` one is an `array`, or `jsonl`."""
    if kind != "json":
        return kind
    try:
        with opened(path) as stream:
            begin = bytes(stream.read(START))
    except OSError as error:
        raise Unreadable(str(error)) from error
    return "array" if begin.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[") else "jsonl"


def csv_names(path: Path, options: CsvOptions, declared: list[str]) -> list[str]:
    """Return the column names of a CSV file; none when it is empty."""
    return _header(path, options) if options.header else declared


def csv_arrival(place: Path, names: list[str], options: CsvOptions) -> Arrival:
    """Return a CSV file's rows as text; lines that are no rows go to the table `broken`."""
    types = ", ".join(f"{literal(name)}: 'varchar'" for name in names)
    return Arrival(
        relation=(
            f"select * from read_csv({literal(str(place))}, columns={{{types}}}, "
            f"auto_detect=false, header={options.header}, skip={options.skip}, "
            "hive_partitioning=false, "
            f"delim={literal(options.delimiter)}, quote={literal(options.quote)}, "
            f"escape={literal(options.escape)}, nullstr={sql_list(options.nulls)}, "
            f"encoding={literal(options.duckdb_encoding)}, "
            f"{KEEP_BROKEN})"
        ),
        fields={name: quoted(name) for name in names},
        payload=_row_as_json(names),
        first_line=1 + options.header + options.skip,
    )


def parquet_arrival(path: Path, connection: duckdb.DuckDBPyConnection) -> Arrival:
    """Return a Parquet file's rows with their types."""
    source = f"read_parquet({literal(str(path))}, file_row_number=true, hive_partitioning=false)"
    described = connection.execute(f"describe select * from {source}").fetchall()
    types = {str(row[0]): str(row[1]) for row in described if row[0] != "file_row_number"}
    return Arrival(
        relation=f"select * from {source}",
        fields={name: _plain(name, kind) for name, kind in types.items()},
        payload=_row_as_json(list(types)),
        types=types,
        line="file_row_number + 1",
    )


def _plain(name: str, kind: str) -> str:
    return f"to_json({quoted(name)})" if NESTED.search(kind) else quoted(name)


def _row_as_json(names: list[str]) -> str:
    members = ", ".join(f"{quoted(name)} := {quoted(name)}" for name in names)
    return f"to_json(struct_pack({members}))::varchar"


def _header(path: Path, options: CsvOptions) -> list[str]:
    is_utf8 = options.duckdb_encoding == "utf-8" and not options.foreign_encoding
    encoding = "utf-8-sig" if is_utf8 else options.encoding
    with opened(path) as stream:
        text = io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="")
        try:
            for _ in range(options.skip):
                text.readline(LONGEST_HEADER)
            lines = iter(lambda: text.readline(LONGEST_HEADER), "")
            first = next(
                csv.reader(lines, delimiter=options.delimiter, quotechar=options.quote), []
            )
        except (OSError, csv.Error) as error:
            raise Unreadable(str(error)) from error
    if any("\0" in name for name in first):
        raise Unreadable("its first line is no text")
    return numbered([name.strip() for name in first])


def sql_list(texts: Sequence[str]) -> str:
    """Return a list of texts as DuckDB writes it."""
    return f"[{', '.join(map(literal, texts))}]"
