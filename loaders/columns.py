"""Columns declared in a word each, as dlt hints; and the DuckDB type each of them is read as."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from loaders.naming import NamingConvention

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlt.common.data_types import TDataType
    from dlt.common.schema.typing import TColumnSchema

NAMING: Final = NamingConvention()
DLT_TYPES: Final[dict[str, TDataType]] = {
    "text": "text",
    "bigint": "bigint",
    "double": "double",
    "boolean": "bool",
    "timestamp": "timestamp",
    "date": "date",
    "json": "json",
}
DUCKDB_TYPES: Final = {
    "text": "varchar",
    "bigint": "bigint",
    "double": "double",
    "bool": "boolean",
    "timestamp": "timestamptz",
    "date": "date",
    "json": "json",
    "decimal": "decimal({precision}, {scale})",
}
FORMAT: Final = "x-format"
"""The hint that tells how a date or time is written, where it is not as in ISO 8601."""
NULLS: Final = "x-nulls"
"""The hint that tells which texts stand for nothing."""
_DECIMAL = re.compile(r"decimal\((\d+), ?(\d+)\)")
_FORMATTED = re.compile(
    r"(date|timestamp)\((.*%.*)\)|(timestamp)\((seconds|milliseconds|microseconds)\)"
)


def columns(**types: str) -> dict[str, TColumnSchema]:
    """Return dlt column hints for columns named with a type in one word.

    Args:
        types: column name, as in the source or in the warehouse, to one of text, bigint, double,
            boolean, timestamp (with time zone; what has none is taken as UTC), date, json,
            `decimal(18, 2)`. A date or time that is not written as in ISO 8601 says how:
            `date(%d.%m.%Y)`, `timestamp(%m/%d/%Y %H:%M)`; one that is a number of seconds (or
            milliseconds, microseconds) since 1970 is a `timestamp(seconds)`.

    Raises:
        ValueError: a type that is none of these.
    """
    return {named(name): _hint(named(name), kind) for name, kind in types.items()}


def named(name: str) -> str:
    """Return how the warehouse names a source's column: `orderId` is `order_id` there."""
    return str(NAMING.normalize_identifier(name))


def latest_first(columns: dict[str, TColumnSchema], column: str) -> dict[str, TColumnSchema]:
    """Return the columns, with the one by which the latest of two rows with one key is told."""
    column = named(column)
    latest: TColumnSchema = {**columns[column], "dedup_sort": "desc"}
    return {**columns, column: latest}


def with_nulls(columns: dict[str, TColumnSchema], *texts: str) -> dict[str, TColumnSchema]:
    """Return the columns, of which those that are not text take some texts, as `""`, for nothing.

    Whatever reader they come by. A key that is nothing is missing.
    """
    hint = {NULLS: list(texts)}
    return {
        name: cast("TColumnSchema", {**column, **hint}) if column["data_type"] != "text" else column
        for name, column in columns.items()
    }


def duckdb_type(hint: Mapping[str, Any]) -> str:
    """Return the DuckDB type that a column with this dlt hint is read as."""
    kind = DUCKDB_TYPES[str(hint["data_type"])]
    return kind.format(precision=hint.get("precision", 38), scale=hint.get("scale", 9))


def formats(hints: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return how the dates and times among some columns are written, where it is said."""
    return {name: str(hint[FORMAT]) for name, hint in hints.items() if FORMAT in hint}


def nulls(hints: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return which texts stand for nothing in each of some columns, where any do."""
    return {name: list(hint[NULLS]) for name, hint in hints.items() if hint.get(NULLS)}


def word(hint: Mapping[str, Any]) -> str:
    """Return the word by which a column with this dlt hint is declared."""
    kind = duckdb_type(hint)
    names = {DUCKDB_TYPES[dlt_type]: name for name, dlt_type in DLT_TYPES.items()}
    return names.get(kind, kind)


def quoted(name: str) -> str:
    """Return a name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as a quoted SQL literal."""
    quotes = "'" + text.replace("'", "''") + "'"
    return quotes if "\0" not in text else "(" + quotes.replace("\0", "' || chr(0) || '") + ")"


def _hint(name: str, kind: str) -> TColumnSchema:
    decimal = _DECIMAL.fullmatch(kind)
    if decimal:
        precision, scale = map(int, decimal.groups())
        return {"name": name, "data_type": "decimal", "precision": precision, "scale": scale}
    formatted = _FORMATTED.fullmatch(kind)
    if formatted:
        data_type, written = [group for group in formatted.groups() if group]
        hint: dict[str, Any] = {"name": name, "data_type": data_type, FORMAT: written}
        return cast("TColumnSchema", hint)
    if kind not in DLT_TYPES:
        raise ValueError(
            f"Unknown type '{kind}' of column '{name}'. Known types: "
            f"{', '.join(DLT_TYPES)}, decimal(18, 2), date(%d.%m.%Y)."
        )
    return {"name": name, "data_type": DLT_TYPES[kind]}
