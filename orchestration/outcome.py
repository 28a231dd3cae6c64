"""What a step hands back: counts for the ledger, and what a person may want to know."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

Row = TypeVar("Row")


COUNTS: Final = ("read", "loaded", "collapsed", "rejected")


@dataclass(frozen=True, kw_only=True)
class Table:
    """The account of one table in one load: read = loaded + collapsed + rejected."""

    source: str
    table: str
    read: int
    loaded: int
    collapsed: int
    rejected: int
    load_id: str = ""
    """The load package that brought them, if one did."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """The account of one output: items sent, refused, and left out as already there."""

    output: str
    model: str
    destination: str
    successful: int
    failed: int
    skipped: int
    files: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """All that a step hands back."""

    tables: tuple[Table, ...] = ()
    loads: tuple[tuple[str, str], ...] = ()
    """Source and id of each load package that `tables` counts."""
    deliveries: tuple[Delivery, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Facts of this kind of step, fit for JSON: models built, files published."""

    def brought_something(self) -> bool:
        """Tell whether the warehouse holds more, or in another shape, because of these loads."""
        return any(table.loaded or table.rejected for table in self.tables) or bool(
            self.detail.get("notices")
        )

    def brought_by(self, load_id: str) -> bool:
        """Tell the same of one load package."""
        counted = [table for table in self.tables if table.load_id == load_id]
        return replace(self, tables=tuple(counted)).brought_something()


def carry(row: type[Row], source: object) -> Row:
    """Build one of the rows above from any object that has attributes of the same names."""
    names = row.__dataclass_fields__  # type: ignore[attr-defined]
    return row(**{name: getattr(source, name) for name in names})
