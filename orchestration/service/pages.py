"""A page of a mart: its rows, what comes behind, and the bytes of the answer."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import orjson

from orchestration.service import query, statements

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from loaders.connection import Connection
    from orchestration.service.query import Ask, Statement

OPTIONS: Final = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z
KEPT_COUNTS: Final = 1000
KEPT_PAGES: Final = 200
KEPT_BYTES: Final = 64_000
"""A longer answer is not kept."""


class Kept:
    """The last so many values, each under its key."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Any:
        """Return the value, or None."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: Hashable, value: Any) -> None:
        """Keep a value, and let go of the one that was not asked for the longest."""
        with self._lock:
            self._values[key] = value
            while len(self._values) > self.most:
                self._values.popitem(last=False)


class Pages:
    """Answers questions to marts; remembers counts and short pages of one published state."""

    def __init__(self) -> None:
        self._counts = Kept(KEPT_COUNTS)
        self._pages = Kept(KEPT_PAGES)

    def kept(self, etag: str | None) -> bytes | None:
        """Return the answer that was given under this tag, if it is remembered."""
        found: bytes | None = self._pages.get(etag) if etag else None
        return found

    def answer(self, connection: Connection, ask: Ask, version: str | None) -> bytes:
        """Return a page as JSON."""
        found = _fetched(connection, statements.rows(ask))
        rows = [dict(zip((c.name for c in ask.mart.columns), row, strict=True)) for row in found]
        has_next, rows = len(rows) > ask.page_size, rows[: ask.page_size]
        content: dict[str, Any] = {"items": rows, "page_size": ask.page_size}
        if not ask.is_keyset:
            total = self._total(connection, ask, version)
            content |= {"page": ask.page, "total": total, "has_prev": ask.page > 1}
        content["has_next"] = has_next
        content["next_cursor"] = query.encoded(ask.order, rows[-1]) if has_next else None
        return orjson.dumps(content, default=_plain, option=OPTIONS)

    def keep(self, etag: str | None, body: bytes) -> None:
        """Remember an answer under its tag."""
        if etag and len(body) <= KEPT_BYTES:
            self._pages.put(etag, body)

    def _total(self, connection: Connection, ask: Ask, version: str | None) -> int:
        statement = statements.count(ask)
        key = (version, statement)
        total = self._counts.get(key) if version else None
        if total is None:
            total = int(_fetched(connection, statement)[0][0])
            self._counts.put(key, total)
        return int(total)


def tag(version: str, path: str, parameters: Sequence[tuple[str, str]]) -> str:
    """Return the ETag of an answer from one published state."""
    content = orjson.dumps([version, path, sorted(parameters)])
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def tag_of(body: bytes) -> str:
    """Return the ETag of an answer where nothing but itself tells its state."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_known(etag: str, header: str | None) -> bool:
    """Tell whether the caller has this answer already (If-None-Match, RFC 9110 §13.1.2)."""
    if header is None:
        return False
    given = {one.strip().removeprefix("W/") for one in header.split(",")}
    return etag in given or "*" in given


def _fetched(connection: Connection, statement: Statement) -> list[tuple[Any, ...]]:
    return connection.execute(statement.sql, statement.values).fetchall()


def _plain(value: Any) -> Any:
    return orjson.Fragment(str(value)) if isinstance(value, Decimal) else str(value)
