"""Times, numbers and spans as people read them; filters of the templates."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_STATUS: Final = {
    "completed": "done",
    "running": "running",
    "pending": "waiting",
    "partial": "partly done",
    "failed": "failed",
    "cancelled": "cancelled",
    "skipped": "left out",
}


def number(value: Any) -> str:
    """Return a count with its thousands apart."""
    return f"{value or 0:,}"


def when(value: datetime | None) -> str:
    """Return a time to the minute, UTC."""
    return f"{value:%Y-%m-%d %H:%M}" if value else ""


def span(seconds: float | None) -> str:
    """Return a length of time: 0.4 s, 3 min, 5 h, 2 days."""
    if seconds is None:
        return ""
    size = abs(seconds)
    if size < 10:  # noqa: PLR2004  below, tenths matter
        return f"{size:.1f} s"
    if size < 2 * MINUTE:
        return f"{size:.0f} s"
    if size < 2 * HOUR:
        return f"{size / MINUTE:.0f} min"
    if size < 2 * DAY:
        return f"{size / HOUR:.0f} h"
    return f"{size / DAY:.0f} days"


def ago(value: datetime | None, now: datetime) -> str:
    """Return how long ago a time was, or in how long it comes."""
    if value is None:
        return "never"
    seconds = (now - value).total_seconds()
    return f"{span(seconds)} ago" if seconds >= 0 else f"in {span(seconds)}"


def status(value: str) -> str:
    """Return a status in a plain word."""
    return _STATUS.get(value, value)


def cell(value: Any) -> str:
    """Return a cell of a table of rows."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value
        return f"{moment:%Y-%m-%d %H:%M:%S}"
    return str(value)


def progress(known: Any) -> str:
    """Return how far a step is, in words."""
    if not isinstance(known, dict):
        return ""
    if rows := known.get("rows"):
        return ", ".join(f"{table} {count:,}" for table, count in rows.items())
    if known.get("total"):
        now = f": {known['now']}" if known.get("now") else ""
        done = min(known.get("done", 0), known["total"])
        return f"{done:,} of {known['total']:,}{now}"
    return ""


def share(known: Any) -> float | None:
    """Return how far a step is, from 0 to 1; None where nobody knows the whole."""
    if isinstance(known, dict) and known.get("total"):
        return min(1.0, float(known.get("done", 0)) / float(known["total"]))
    return None


FILTERS: Final = {
    "number": number,
    "when": when,
    "span": span,
    "status": status,
    "cell": cell,
    "progress": progress,
    "share": share,
}
