"""What gate one says of a file's rows, as SQL: a mark in place of a row's line."""

from __future__ import annotations

import re
from dataclasses import replace
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
}
"""Types of a Parquet column, beside the same, whose values all fit a declared type."""
DECIMAL: Final = re.compile(r"decimal\((\d+), ?(\d+)\)")
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


def judged(shape: Shape, arrival: Arrival, decimal: str) -> Shape:
    """Return what rows must be like in a file, which tells the types of its columns or none."""
    found = typed(arrival)
    types = {name: kind for name, kind in found.items() if kind not in ("?", "VARCHAR")}
    known = {name: (found[name], kind) for name, kind in shape.types.items() if name in found}
    moments = {
        name
        for name, (kind, declared) in known.items()
        if kind.startswith(("DATE", "TIMESTAMP")) and declared in TIMES
    }
    return replace(
        shape,
        typed=frozenset(types),
        fit=frozenset(name for name, kinds in known.items() if _fit(*kinds, shape)),
        moments=frozenset(moments - shape.formats.keys()),
        decimal=decimal,
    )


def _fit(kind: str, declared: str, shape: Shape) -> bool:
    """Tell whether all values of a type fit a declared one."""
    if declared in TIMES or (declared == "varchar" and not shape.rule.takes_nul):
        return False  # infinite times and the character NUL have no place everywhere
    if (has := DECIMAL.match(kind.lower())) and (wanted := DECIMAL.match(declared)):
        digits, places = map(int, has.groups())
        most_digits, most_places = map(int, wanted.groups())
        return places <= most_places and digits - places <= most_digits - most_places
    return kind in FITTING.get(declared, ()) or kind.lower() == declared


def doubtful(arrival: Arrival, shape: Shape) -> dict[str, str]:
    """Return the fields of a file that may hold what is not of the declared type."""
    return {name: value for name, value in normalized(arrival).items() if name not in shape.fit}


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
        f"(({shape.given(name, fields)}) is null or ({shape.cast(name, fields)}) is not null)"
        for name, kind in shape.types.items()
        if name in fields and kind != "varchar"
    ]
    new = [f"({fields[name]}) is null" for name in shape.rule.unknown(fields)]
    nuls = [f"not coalesce({found}, false)" for found in shape.nuls(fields).values()]
    return " and ".join([f"({arrival.unreadable}) is null", *checks, *new, *nuls])
