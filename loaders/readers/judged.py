"""What gate one says of a file's rows, as SQL: a mark in place of a row's line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loaders.gate import named_apart
from loaders.shape import PLACE, TIMES

if TYPE_CHECKING:
    from loaders.readers.formats import Arrival
    from loaders.shape import Shape

FITTING: Final = {
    "varchar": {"VARCHAR"},
    "bigint": {"BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UINTEGER", "USMALLINT", "UTINYINT"},
    "double": {"DOUBLE", "FLOAT", "BIGINT", "INTEGER", "SMALLINT", "TINYINT"},
    "boolean": {"BOOLEAN"},
}
"""Types of a Parquet column whose values all fit a declared type."""
BLANK: Final = "-2"
REFUSED: Final = "-1"
GOOD: Final = "1"
NOVEL: Final = "2"
"""These stand for a row's line until it is numbered."""


def normalized(arrival: Arrival) -> dict[str, str]:
    """Return a file's fields by the names that they have in the warehouse."""
    rows = arrival.key_lists or [list(arrival.fields)]
    return named_apart(rows, arrival.fields.__getitem__, PLACE)


def typed(arrival: Arrival) -> dict[str, str]:
    """Return the DuckDB types of a file's fields by their names in the warehouse; '?' of texts."""
    types = {arrival.fields[name]: kind for name, kind in arrival.types.items()}
    return {name: types.get(value, "?") for name, value in normalized(arrival).items()}


def doubtful(arrival: Arrival, shape: Shape) -> dict[str, str]:
    """Return the fields of a file that may hold what is not of the declared type."""
    types = typed(arrival)
    return {
        name: expression
        for name, expression in normalized(arrival).items()
        if _may_not_fit(types[name], shape.types.get(name, ""), shape)
    }


def _may_not_fit(kind: str, declared: str, shape: Shape) -> bool:
    if declared in TIMES or (declared == "varchar" and not shape.rule.takes_nul):
        return True  # infinite times and the character NUL have no place everywhere
    return kind not in FITTING.get(declared, ()) and kind.lower() != declared


def mark(arrival: Arrival, shape: Shape) -> str:
    """Return the expression of what stands for a row's line until it is numbered.

    A row that is refused has a mark below zero; so has one whose line the file itself tells.
    """
    fits = _fits(arrival, shape)
    if arrival.line:
        return f"({arrival.line}) * case when {fits} then 1 else -1 end"
    good = GOOD
    if arrival.is_novel != "false":
        good = f"case when {arrival.is_novel} then {NOVEL} else {GOOD} end"
    refused = f"case when {arrival.is_blank} then {BLANK} else {REFUSED} end"
    return f"case when {fits} then {good} else {refused} end"


def _fits(arrival: Arrival, shape: Shape) -> str:
    fields = doubtful(arrival, shape)
    checks = [
        f"(({fields[name]}) is null or ({shape.cast(name, fields)}) is not null)"
        for name, kind in shape.types.items()
        if name in fields and kind != "varchar"
    ]
    new = [f"({fields[name]}) is null" for name in shape.rule.unknown(fields)]
    nuls = [f"not coalesce({found}, false)" for found in shape.nuls(fields).values()]
    return " and ".join([f"({arrival.unreadable}) is null", *checks, *new, *nuls])
