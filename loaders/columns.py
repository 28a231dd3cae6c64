"""Columns declared in a word each, as dlt hints; and the DuckDB type each of them is read as."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlt.common.data_types import TDataType
    from dlt.common.schema.typing import TColumnSchema

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
_DECIMAL = re.compile(r"decimal\((\d+), ?(\d+)\)")


def columns(**types: str) -> dict[str, TColumnSchema]:
    """Return dlt column hints for columns named with a type in one word.

    Args:
        types: column name to one of text, bigint, double, boolean, timestamp (with time zone;
            what has none is taken as UTC), date, json, `decimal(18, 2)`.

    Raises:
        ValueError: a type that is none of these.
    """
    return {name: _hint(name, kind) for name, kind in types.items()}


def latest_first(columns: dict[str, TColumnSchema], column: str) -> dict[str, TColumnSchema]:
    """Return the columns, with the one by which the latest of two rows with one key is told."""
    latest: TColumnSchema = {**columns[column], "dedup_sort": "desc"}
    return {**columns, column: latest}


def duckdb_type(hint: Mapping[str, Any]) -> str:
    """Return the DuckDB type that a column with this dlt hint is read as."""
    kind = DUCKDB_TYPES[str(hint["data_type"])]
    return kind.format(precision=hint.get("precision", 38), scale=hint.get("scale", 9))


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
    if kind not in DLT_TYPES:
        raise ValueError(
            f"Unknown type '{kind}' of column '{name}'. Known types: "
            f"{', '.join(DLT_TYPES)}, decimal(18, 2)."
        )
    return {"name": name, "data_type": DLT_TYPES[kind]}
