"""How much of everything a day brings, by scale."""

from __future__ import annotations

FIRST_DAY = {
    "users": 2000,
    "products": 200,
    "orders": 5000,
    "sessions": 4000,
    "paid_orders": 4365,
    "split_payments": 150,
    "retried_payments": 60,
    "failed_payments": 50,
    "refunds": 200,
    "redelivered": 25,
    "user_same_copies": 12,
    "user_stale_copies": 8,
    "orders_without_items": 8,
    "event_same_copies": 40,
    "event_next_copies": 40,
    "event_corrections": 10,
}
"""Counts of day 1 at scale 1; sessions are of five events each, and at least one an hour."""

LATER_DAY = {
    "users": 60,
    "products": 6,
    "orders": 150,
    "sessions": 200,
    "paid_orders": 113,
    "split_payments": 4,
    "retried_payments": 4,
    "failed_payments": 3,
    "refunds": 5,
    "redelivered": 4,
    "late_payments": 14,
    "user_same_copies": 2,
    "user_stale_copies": 1,
    "users_changed": 20,
    "users_repaired": 2,
    "products_changed": 3,
    "products_repaired": 1,
    "products_deleted": 1,
    "orders_changed": 50,
    "orders_repaired": 3,
    "orders_redated": 3,
    "orders_deleted": 4,
    "orders_late": 5,
    "orders_without_items": 4,
    "items_changed": 60,
    "items_repaired": 3,
    "items_deleted": 6,
    "event_same_copies": 4,
    "event_next_copies": 4,
    "event_corrections": 2,
    "event_old_copies": 5,
    "events_added": 5,
}
"""Counts of every later day at scale 1."""


def scaled(count: int, scale: float) -> int:
    """A count at a scale; what exists at scale 1 exists at every scale."""
    return max(1, round(count * scale)) if count else 0


def sizes(day: int, scale: float) -> dict[str, int]:
    """Every count of a day, zero for what the day does not have."""
    counts = FIRST_DAY if day == 1 else LATER_DAY
    found = {name: scaled(counts.get(name, 0), scale) for name in FIRST_DAY | LATER_DAY}
    return found | {"sessions": max(24, found["sessions"])}
