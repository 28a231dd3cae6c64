"""The shape of rows that arrive typed: what has its type already is not looked at again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from loaders.shape import Shape, as_instant, bare

if TYPE_CHECKING:
    from collections.abc import Mapping

EARLIEST: Final = "'4713-01-01 (BC)'::date"
"""PostgreSQL's first time; its infinities arrive as times before it."""
LATEST: Final = "'294246-01-01'::date"
INFINITE: Final = "'^(5877612-06-21|290279-12-22 .*224191)'"
MINUS_INFINITE: Final = "'^(5877612-06-22|290279-12-22 .*224192)'"


@dataclass(frozen=True, kw_only=True)
class Arrived(Shape):
    """A shape, and which columns arrive as times and decimals of a database."""

    times: Mapping[str, str] = field(default_factory=dict)
    """What arrived as a date or time and is declared as one: its expression."""
    decimals: frozenset[str] = frozenset()
    """Columns of decimals that arrive as text with all their digits."""

    def cast(self, name: str, fields: Mapping[str, str]) -> str:
        """Return the expression of a declared column; see Shape."""
        kind = self.types[name]
        if name in self.times:
            arrived = self.times[name]
            moment = f"({arrived})::date" if kind == "date" else as_instant(arrived)
            whole = f"{moment} = {arrived}" if kind == "date" else f"{arrived} < {LATEST}"
            return f"case when {arrived} >= {EARLIEST} and {whole} then {moment} end"
        if name in self.decimals and kind.startswith("decimal"):
            text = self.given(name, fields)
            number = f"try_cast({text} as {kind})"
            written = f"({number})::varchar"
            same = f"{bare(text)} = {bare(written)}"  # looked at only where the texts differ
            return f"case when {written} = {text} then {number} when {same} then {number} end"
        return super().cast(name, fields)


def time_text(moment: str) -> str:
    """Return the expression of a time's text, PostgreSQL's infinities among them."""
    text = f"({moment})::varchar"
    return (
        f"case when {moment} >= {EARLIEST} then {text} "
        f"when regexp_matches({text}, {INFINITE}) then 'infinity' "
        f"when regexp_matches({text}, {MINUS_INFINITE}) then '-infinity' "
        f"when {text} is not null then 'later than 294246' end"
    )


def fits(kind: pa.DataType, wanted: str) -> bool:
    """Tell whether every value of an Arrow type is one of a DuckDB type."""
    if wanted == "varchar":
        return True
    if wanted == "bigint":
        return bool(pa.types.is_integer(kind)) and kind != pa.uint64()
    if wanted == "double":
        return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))
    return bool(
        (wanted == "boolean" and pa.types.is_boolean(kind))
        or (wanted == "blob" and pa.types.is_binary(kind))
        or (wanted == "time" and pa.types.is_time(kind))
    )
