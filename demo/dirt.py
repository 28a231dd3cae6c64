"""Every kind of dirt the shop knows: where it falls, how often, and what must become of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from demo.sizes import scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT_FORMATS = ("csv", "jsonl")
ALL_FORMATS = ("csv", "jsonl", "parquet")


@dataclass(frozen=True, kw_only=True)
class Dirt:
    """One way in which a clean row is made dirty."""

    table: str
    kind: str
    outcome: Literal["reject", "quarantine"]
    """Stopped by the loader as unreadable, or by a business rule in SQL."""
    reason: str = ""
    """What the quarantine says of it; empty for what is rejected before."""
    first: int = 0
    """How many of day 1's new rows, at scale 1 (for events: of each format)."""
    later: int = 1
    """How many of every later day's new rows."""
    changed: int = 0
    """How many of every later day's changed rows."""
    formats: tuple[str, ...] = ("",)
    """File formats that can carry it; one empty name where there are no files."""
    is_loose_only: bool = False
    """Only a database without strict types can hold it."""
    most: int | None = None
    """A bound at any scale: an open quote swallows what follows, so one a day must do."""


def _quarantined(table: str, kind: str, reason: str, first: int, **more: object) -> Dirt:
    return Dirt(table=table, kind=kind, outcome="quarantine", reason=reason, first=first, **more)  # type: ignore[arg-type]


def _rejected(table: str, kind: str, first: int, **more: object) -> Dirt:
    return Dirt(table=table, kind=kind, outcome="reject", first=first, **more)  # type: ignore[arg-type]


def _loose(table: str, kind: str, first: int, **more: object) -> Dirt:
    return _rejected(table, kind, first, is_loose_only=True, **more)


DIRT: tuple[Dirt, ...] = (
    _quarantined("users", "email_null", "email is missing", 6, changed=1),
    _quarantined("users", "email_blank", "email is missing", 4),
    _quarantined("users", "email_malformed", "email is malformed", 6),
    _quarantined("users", "created_future", "created_at is in the future", 3),
    _quarantined(
        "users", "two_faults", "email is missing; created_at is in the future", 1, later=0
    ),
    _rejected("users", "created_text", 4),
    _rejected("users", "opt_in_text", 3, changed=1),
    _rejected("users", "id_text", 2),
    _rejected("users", "id_missing", 3),
    _quarantined("products", "sku_missing", "sku is missing", 2),
    _quarantined("products", "price_negative", "price is negative", 1),
    _loose("products", "price_text", 1),
    _quarantined("orders", "user_missing", "user_id is missing", 5),
    _quarantined("orders", "status_unknown", "status is unknown", 4, changed=1),
    _quarantined("orders", "currency_unknown", "currency is unknown", 4),
    _quarantined("orders", "ordered_missing", "ordered_at is missing", 3),
    _quarantined("orders", "ordered_ancient", "ordered_at is before 2000", 3),
    _quarantined("orders", "two_faults", "status is unknown; currency is unknown", 2),
    _loose("orders", "user_text", 3, changed=1),
    _loose("orders", "ordered_text", 2),
    _loose("orders", "id_missing", 2),
    _quarantined("order_items", "order_missing", "order_id is missing", 6),
    _quarantined("order_items", "quantity_zero", "quantity is not positive", 4),
    _quarantined("order_items", "quantity_negative", "quantity is not positive", 3),
    _quarantined("order_items", "price_negative", "unit_price is negative", 4),
    _loose("order_items", "quantity_text", 5),
    _loose("order_items", "price_text", 3),
    _quarantined("events", "event_missing", "event_id is missing", 3, formats=ALL_FORMATS),
    _quarantined("events", "type_missing", "event_type is missing", 3, formats=ALL_FORMATS),
    _quarantined("events", "occurred_missing", "occurred_at is missing", 2, formats=ALL_FORMATS),
    _quarantined(
        "events", "occurred_ancient", "occurred_at is before 2000", 2, formats=ALL_FORMATS
    ),
    _rejected("events", "user_text", 4, formats=TEXT_FORMATS),
    _rejected("events", "occurred_text", 3, formats=TEXT_FORMATS),
    _rejected("events", "too_many_columns", 6, formats=("csv",)),
    _rejected("events", "too_few_columns", 5, formats=("csv",)),
    _rejected("events", "bad_encoding", 4, formats=("csv",)),
    _rejected("events", "open_quote", 1, formats=("csv",), most=1),
    _rejected("events", "truncated", 6, formats=("jsonl",)),
    _rejected("events", "garbage", 4, formats=("jsonl",)),
    _rejected("events", "not_an_object", 2, formats=("jsonl",)),
    _quarantined("payments", "payment_missing", "payment_id is missing", 4),
    _quarantined("payments", "order_missing", "order_id is missing", 4),
    _quarantined("payments", "amount_missing", "amount is missing", 4),
    _quarantined("payments", "amount_negative", "amount is negative", 3),
    _quarantined("payments", "currency_unknown", "currency is unknown", 3),
    _rejected("payments", "amount_text", 5),
    _rejected("payments", "payment_text", 3),
    _rejected("payments", "paid_text", 2),
)


def plan(day: int, scale: float, *, is_strict: bool) -> list[tuple[str, str, str, str, int, int]]:
    """Which places of a day's shuffled rows become dirty, and how.

    At most half of the rows become dirty, so a small shop has not every kind on every day; the
    kinds take turns.

    Args:
        day: The shop's day.
        scale: The shop's scale.
        is_strict: Whether the shop's database keeps wrong types out.

    Returns:
        Rows of table, 'new' or 'changed', format, kind, and the places (low exclusive, high
        inclusive) that the kind takes.
    """
    turned = DIRT[(day - 1) % len(DIRT) :] + DIRT[: (day - 1) % len(DIRT)]
    known = [dirt for dirt in turned if not (is_strict and dirt.is_loose_only)]
    new = [(dirt, dirt.first if day == 1 else dirt.later) for dirt in known]
    changed = [(dirt, 0 if day == 1 else dirt.changed) for dirt in known]
    return [*_places("new", new, scale), *_places("changed", changed, scale)]


def _places(
    origin: str, counts: list[tuple[Dirt, int]], scale: float
) -> Iterator[tuple[str, str, str, str, int, int]]:
    taken: dict[tuple[str, str], int] = {}
    for dirt, count in counts:
        for file_format in dirt.formats:
            low = taken.get((dirt.table, file_format), 0)
            high = low + _bounded(scaled(count, scale), dirt.most)
            taken[dirt.table, file_format] = high
            yield dirt.table, origin, file_format, dirt.kind, low, high


def _bounded(count: int, most: int | None) -> int:
    return count if most is None else min(count, most)
