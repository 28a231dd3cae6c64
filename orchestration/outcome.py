"""What a step hands back: counts for the ledger, and what a person may want to know."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True)
class Table:
    """The account of one table in one load: read = loaded + collapsed + rejected."""

    source: str
    table: str
    read: int
    loaded: int
    collapsed: int
    rejected: int


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
    deliveries: tuple[Delivery, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Facts of this kind of step, fit for JSON: models built, files published."""

    def to_message(self) -> dict[str, Any]:
        """Return plain dicts, fit to cross a process boundary."""
        return asdict(self)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Self:
        """Rebuild what to_message() gave."""
        return cls(
            tables=tuple(Table(**entry) for entry in message["tables"]),
            deliveries=tuple(Delivery(**entry) for entry in message["deliveries"]),
            detail=message["detail"],
        )


def carry(row: type[Row], source: object) -> Row:
    """Build one of the rows above from any object that has attributes of the same names."""
    names = row.__dataclass_fields__  # type: ignore[attr-defined]
    return row(**{name: getattr(source, name) for name in names})
