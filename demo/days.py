"""The shop's calendar: day 1 is its history up to 2026-01-01, each later day is one date more."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

FIRST_DATE = date(2026, 1, 1)
HISTORY_START = datetime(2025, 7, 1, tzinfo=UTC)
NEW_COLUMNS_DAY = 3
"""From this day on users carry loyalty_tier and events carry device."""


def date_of(day: int) -> date:
    """The date that a shop day (1, 2, …) stands for."""
    return FIRST_DATE + timedelta(days=day - 1)


def midnight_of(day: int) -> datetime:
    """00:00 UTC of a shop day."""
    on = date_of(day)
    return datetime(on.year, on.month, on.day, tzinfo=UTC)


def milliseconds_of(day: int) -> int:
    """Epoch milliseconds of 00:00 UTC of a shop day, from which stream ids are counted."""
    return int(midnight_of(day).timestamp()) * 1000
