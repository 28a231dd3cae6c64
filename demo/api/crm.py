"""The CRM: contacts, what was applied to them, and the answers given for idempotency keys."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

MOST_ITEMS = 100
BLOCKED_DOMAIN = "blocked.example"

SCHEMA = """
create table if not exists contacts (id text primary key, data text not null);
create table if not exists applications (
    id text primary key, upserts integer not null default 0, deletes integer not null default 0,
    refusals integer not null default 0
);
create table if not exists answers (
    idempotency_key text primary key, body_hash text not null, answer text not null
);
"""

COUNT = """
insert into applications (id, {kind}) values (?, 1)
on conflict (id) do update set {kind} = {kind} + 1
"""


class KeyConflictError(Exception):
    """An idempotency key came again with another body."""


class Crm:
    """The CRM's state, kept in SQLite so that it outlives the server."""

    def __init__(self, path: Path) -> None:
        self._store = sqlite3.connect(path, isolation_level=None, timeout=60)
        self._store.execute("pragma journal_mode = wal")
        self._store.executescript(SCHEMA)

    def apply(self, key: str, body: bytes, items: list[Any]) -> str:
        """Apply a batch once and answer it; the same key and body get the same answer again.

        Args:
            key: The idempotency key.
            body: The request as it came.
            items: The batch's items, read from it.

        Returns:
            The answer, JSON text.

        Raises:
            KeyConflictError: The key was used for another body.
        """
        body_hash = hashlib.sha256(body).hexdigest()
        self._store.execute("begin immediate")
        try:
            answer = self._known(key, body_hash) or self._fresh(key, body_hash, items)
        except BaseException:
            self._store.execute("rollback")
            raise
        self._store.execute("commit")
        return answer

    def contacts(self, page: int, page_size: int) -> dict[str, Any]:
        """A page of contacts by id, with how often each was applied."""
        (total,) = self._store.execute("select count(*) from contacts").fetchone()
        rows = self._store.execute(
            "select id, data, upserts, deletes, refusals from contacts "
            "join applications using (id) order by length(id), id limit ? offset ?",
            [page_size, (page - 1) * page_size],
        ).fetchall()
        names = ("count_upserts", "count_deletes", "count_refusals")
        items = [
            {"id": row[0], "data": json.loads(row[1]), **dict(zip(names, row[2:], strict=True))}
            for row in rows
        ]
        has_next = page * page_size < total
        return {
            "items": items,
            "page": page,
            "page_size": page_size,
            "total": total,
            "has_next": has_next,
        }

    def _known(self, key: str, body_hash: str) -> str | None:
        row = self._store.execute(
            "select body_hash, answer from answers where idempotency_key = ?", [key]
        ).fetchone()
        if row is None:
            return None
        if row[0] != body_hash:
            raise KeyConflictError(key)
        return str(row[1])

    def _fresh(self, key: str, body_hash: str, items: list[Any]) -> str:
        answer = json.dumps({"results": [self._item(item) for item in items]})
        self._store.execute("insert into answers values (?, ?, ?)", [key, body_hash, answer])
        return answer

    def _item(self, item: Any) -> dict[str, Any]:
        key, error = judge(item)
        if error:
            if key is not None:
                self._store.execute(COUNT.format(kind="refusals"), [key])
            return {"id": key, "success": False, "status": 422, "error": error}
        if item["method"] == "delete":
            self._store.execute("delete from contacts where id = ?", [key])
            self._store.execute(COUNT.format(kind="deletes"), [key])
        else:
            self._store.execute(
                "insert or replace into contacts values (?, ?)", [key, json.dumps(item["data"])]
            )
            self._store.execute(COUNT.format(kind="upserts"), [key])
        return {"id": key, "success": True, "status": 200, "error": None}


def judge(item: Any) -> tuple[str | None, str | None]:
    """The id of an item and why it is refused, each None if there is none."""
    if not isinstance(item, dict) or not isinstance(item.get("id"), str) or not item["id"]:
        return None, "id: a non-empty text is required"
    if item.get("method") not in ("upsert", "delete"):
        return item["id"], "method: 'upsert' or 'delete' is required"
    return item["id"], None if item["method"] == "delete" else _fault_of(item.get("data"))


def _fault_of(data: Any) -> str | None:
    if not isinstance(data, dict) or not isinstance(data.get("email"), str):
        return "data.email: a text is required"
    if data["email"].strip().lower().endswith(f"@{BLOCKED_DOMAIN}"):
        return f"data.email: contacts at {BLOCKED_DOMAIN} are not accepted"
    return None
