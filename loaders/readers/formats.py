"""How each file format arrives in DuckDB: as rows of text or types, with what could not be split.

CSV is read as text and cast by gate one: DuckDB's own casts in `read_csv` would round '1.5' to 2
in a column of whole numbers. What is no row at all (too many columns, a broken quote) comes from
DuckDB's `store_rejects`.
"""

from __future__ import annotations

import csv
import io
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from loaders.columns import literal, quoted
from loaders.gate import json_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

NO_DELIMITER: Final = "\x01\x02\x03\x04"
KINDS: Final = {
    "csv": "csv",
    "tsv": "csv",
    "txt": "csv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json": "jsonl",
    "parquet": "parquet",
}
CODECS: Final = {"gz": "gzip", "zst": "zstd"}


@dataclass(frozen=True, kw_only=True)
class CsvOptions:
    """How the CSV files of a folder are written."""

    delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    encoding: str = "utf-8"
    """utf-8, utf-16 or latin-1."""
    header: bool = True
    """Without a header the declared columns are taken in their order."""


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A file's rows as a DuckDB relation."""

    relation: str
    """SQL that gives one row for each that can be told apart, with `_line`."""
    fields: dict[str, str]
    """Source column to the SQL expression of its value."""
    payload: str
    """SQL expression of the whole row as text."""
    unreadable: str = "null"
    """SQL expression that tells why a line is no row, else null."""
    types: dict[str, str] = field(default_factory=dict)
    """Source column to DuckDB type, where a format has types."""


def kind_of(path: str) -> str | None:
    """Return `csv`, `jsonl` or `parquet` by a file's name; None when it is none of them."""
    parts = path.lower().rsplit("/", 1)[-1].split(".")
    if parts[-1] in CODECS:
        parts.pop()
    return KINDS.get(parts[-1]) if len(parts) > 1 else None


class Unreadable(Exception):
    """A file that is cut off, or is not what its name says."""


@contextmanager
def opened(path: Path) -> Iterator[pa.NativeFile]:
    """Open a file for its bytes, decompressed as its name says."""
    codec = CODECS.get(path.suffix.lower().removeprefix("."))
    with pa.input_stream(str(path), compression=codec) as stream:
        yield stream


def check_whole(path: Path) -> None:
    """Read a compressed file to its end, which DuckDB's readers don't miss in a gzip.

    Raises:
        Unreadable: the end is not there.
    """
    if path.suffix.lower().removeprefix(".") not in CODECS:
        return
    try:
        with opened(path) as stream:
            while stream.read_buffer(1 << 20).size:
                pass
    except OSError as error:
        raise Unreadable(str(error)) from error


def csv_arrival(
    path: Path, options: CsvOptions, declared: list[str], broken: str | None = None
) -> Arrival | None:
    """Return a CSV file's rows as text; None when the file is empty.

    Lines that are no rows go to the table named `broken` (see `broken_lines`), or are left out.
    """
    names = _header(path, options) if options.header else declared
    if not names:
        return None
    types = ", ".join(f"{literal(name)}: 'varchar'" for name in names)
    errors = (
        f"store_rejects=true, rejects_table='{broken}', rejects_scan='{broken}_scan'"
        if broken
        else "ignore_errors=true"
    )
    relation = (
        f"select *, row_number() over () + {int(options.header)} as _line "
        f"from read_csv({literal(str(path))}, columns={{{types}}}, auto_detect=false, "
        f"header={options.header}, hive_partitioning=false, "
        f"delim={literal(options.delimiter)}, quote={literal(options.quote)}, "
        f"escape={literal(options.escape)}, encoding={literal(options.encoding)}, {errors})"
    )
    return Arrival(
        relation=relation,
        fields={name: quoted(name) for name in names},
        payload=_row_as_json(names),
    )


def broken_lines(table: str) -> str:
    """Return SQL that gives each line of a CSV file that is no row: line, reason, payload."""
    return (
        "(select line, any_value(csv_line) as payload, "
        "arg_min(lower(error_type) || ': ' || error_message, byte_position) as reason "
        f"from {table} group by line)"
    )


def jsonl_arrival(path: Path, keys: list[str]) -> Arrival:
    """Return a JSON Lines file's rows, with the given keys as fields."""
    paths = ", ".join(literal(json_path(key)) for key in keys)
    lines = (
        "select line, row_number() over () as _line, "
        "case when json_valid(line) then json_type(line) = 'OBJECT' end as is_object "
        f"from read_csv({literal(str(path))}, columns={{'line': 'varchar'}}, auto_detect=false, "
        f"header=false, delim={literal(NO_DELIMITER)}, quote='', escape='')"
    )
    return Arrival(
        relation=(
            "select line, _line, is_object, "
            f"case when is_object then json_extract_string(line, [{paths}]) end as _values "
            f"from ({lines}) where trim(line) <> ''"
        ),
        fields={key: f"_values[{number}]" for number, key in enumerate(keys, 1)},
        payload="line",
        unreadable="case when is_object is null then 'not valid JSON' "
        "when not is_object then 'not a JSON object' end",
    )


def parquet_arrival(path: Path, connection: duckdb.DuckDBPyConnection) -> Arrival:
    """Return a Parquet file's rows with their types."""
    source = f"read_parquet({literal(str(path))}, file_row_number=true, hive_partitioning=false)"
    described = connection.execute(f"describe select * from {source}").fetchall()
    types = {str(row[0]): str(row[1]) for row in described if row[0] != "file_row_number"}
    return Arrival(
        relation=f"select * exclude (file_row_number), file_row_number + 1 as _line from {source}",
        fields={name: quoted(name) for name in types},
        payload=_row_as_json(list(types)),
        types=types,
    )


def _row_as_json(names: list[str]) -> str:
    members = ", ".join(f"{quoted(name)} := {quoted(name)}" for name in names)
    return f"to_json(struct_pack({members}))::varchar"


def _header(path: Path, options: CsvOptions) -> list[str]:
    encoding = "utf-8-sig" if options.encoding == "utf-8" else options.encoding
    with opened(path) as stream:
        text = io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="")
        try:
            first = next(csv.reader(text, delimiter=options.delimiter, quotechar=options.quote), [])
        except (OSError, csv.Error) as error:
            raise Unreadable(str(error)) from error
    if any("\0" in name for name in first):
        raise Unreadable("its first line is no text")
    return _distinct([name.strip() for name in first])


def _distinct(names: list[str]) -> list[str]:
    """Give columns of the same or no name a number, as there must be one of each."""
    found: list[str] = []
    for position, name in enumerate(names, 1):
        candidate = name or f"column_{position}"
        found.append(candidate if candidate not in found else f"{candidate}_{position}")
    return found
