"""A stretch of time cut into windows: by hours and days, or by months and years."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from loaders.errors import SettingMissing

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK: Final = re.compile(r"(\d+) ?(hour|day|week|month|year)s?")
_MONTHS: Final = {"month": 1, "year": 12}


@dataclass(frozen=True, kw_only=True, order=True)
class Window:
    """A stretch of a table's past: rows whose cursor is at or after `since` and before `until`."""

    since: datetime
    until: datetime


def windows(since: datetime, until: datetime, chunk: str) -> tuple[Window, ...]:
    """Cut a stretch of time into windows that begin where calendars do not matter: at `since`.

    Args:
        since: the beginning, with its time zone.
        until: the end, not included.
        chunk: such as `1month`, `2 weeks`, `6hours`; the last window may be shorter.

    Raises:
        SettingMissing: `chunk` is none of these, or the end is not after the beginning.
    """
    found = _CHUNK.fullmatch(chunk.strip().lower())
    if not found or not int(found[1]):
        raise SettingMissing(
            f"Cannot cut time by '{chunk}'. Write a number and hour, day, week, month or year: "
            "1month."
        )
    if until <= since:
        raise SettingMissing(f"Nothing to fill: the end '{until}' is not after '{since}'.")
    return tuple(_cut(since, until, int(found[1]), found[2]))


def _cut(since: datetime, until: datetime, count: int, unit: str) -> Iterator[Window]:
    number = 0
    begin = since
    while begin < until:
        number += 1
        end = min(_after(since, number * count, unit), until)
        yield Window(since=begin, until=end)
        begin = end


def _after(since: datetime, count: int, unit: str) -> datetime:
    """Return the time so many units later; the last day of a month stays within it."""
    if unit not in _MONTHS:
        return since + timedelta(**{f"{unit}s": count})
    months = since.year * 12 + since.month - 1 + count * _MONTHS[unit]
    first = since.replace(year=months // 12, month=months % 12 + 1, day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return first.replace(day=min(since.day, (following - timedelta(days=1)).day))


def moment(text: str) -> datetime:
    """Return a date or time as text as a time, in UTC where it names no zone.

    Raises:
        SettingMissing: it is neither.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise SettingMissing(f"'{text}' is no date or time. Write 2024-01-31.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
