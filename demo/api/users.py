"""Pages of users, read from the listing by its primary key."""

from __future__ import annotations

import base64
import binascii
import json
import re
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from demo.publish.users import SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

START = (-(2**62), 0)


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Part of the listing."""

    bodies: list[str]
    """JSON texts of users, ordered by updated_at and id."""
    last: tuple[int, int] | None
    """The key of the last one if more follow."""


class Listing:
    """The users as the API lists them: by (updated_at, id), each row as ready JSON text."""

    def __init__(self, path: Path) -> None:
        self._store = sqlite3.connect(path, isolation_level=None, timeout=60)
        self._store.execute("pragma journal_mode = wal")
        self._store.executescript(SCHEMA)

    def after(self, since: int, key: tuple[int, int], limit: int) -> Slice:
        """At most `limit` users changed at or after `since` that stand behind a key."""
        low = max(key, (since, -(2**62)))
        rows = self._store.execute(
            "select updated_us, place, body from listing where (updated_us, place) > (?, ?) "
            "order by updated_us, place limit ?",
            [*low, limit + 1],
        ).fetchall()
        last = (rows[limit - 1][0], rows[limit - 1][1]) if len(rows) > limit else None
        return Slice(bodies=[row[2] for row in rows[:limit]], last=last)

    def page(self, since: int, number: int, size: int) -> tuple[list[str], int]:
        """A numbered page (from 1) of the users changed at or after `since`, and their total."""
        (total,) = self._store.execute(
            "select count(*) from listing where updated_us >= ?", [since]
        ).fetchone()
        rows = self._store.execute(
            "select body from listing where updated_us >= ? order by updated_us, place "
            "limit ? offset ?",
            [since, size, (number - 1) * size],
        ).fetchall()
        return [row[0] for row in rows], total


def encode_cursor(key: tuple[int, int]) -> str:
    """An opaque text for a place in the listing."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def decode_cursor(cursor: str) -> tuple[int, int]:
    """The place that a cursor stands for.

    Raises:
        ValueError: The text is no cursor of ours.
    """
    try:
        moment, place = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        return int(moment), int(place)
    except (binascii.Error, UnicodeDecodeError, TypeError, ValueError) as error:
        raise ValueError(f"'{cursor}' is not a cursor of this API") from error


def microseconds(moment: str | None) -> int:
    """Epoch microseconds of an ISO 8601 moment (UTC when it names no zone).

    A '+' of an offset that came unescaped, and so as a blank, is understood.

    Raises:
        ValueError: It is no such moment.
    """
    if not moment:
        return START[0]
    parsed = datetime.fromisoformat(re.sub(r" (?=\d\d:\d\d$)", "+", moment.strip()))
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    gap = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (gap.days * 86_400 + gap.seconds) * 1_000_000 + gap.microseconds
