"""Batches in: applied and durable before the answer, and once only for an Idempotency-Key."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from loaders.intake.store import ITEMS
from orchestration.service import items as items_
from orchestration.service import kept_answers
from orchestration.service.kept_answers import Asked
from orchestration.service.problems import Refused

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from orchestration.service.store import Store

LONGEST_KEY = 255


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A batch as it was asked for."""

    caller: str
    resource: str
    body: bytes
    key: str | None = None
    """Its Idempotency-Key."""

    @property
    def asked(self) -> Asked | None:
        """What its answer is kept under, if it has a key."""
        if self.key is None:
            return None
        digest = hashlib.sha256(self.body).hexdigest()
        return Asked(caller=self.caller, path=self.resource, key=self.key, digest=digest)


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The answer to a batch."""

    body: bytes
    successful: int
    failed: int
    is_replayed: bool = False
    """Whether it was given before, and nothing was applied now."""


def answer(store: Store, ask: Ask, most: int, now: datetime) -> Answered:
    """Apply a batch, or find the answer that its key was given before.

    Args:
        store: the service's database.
        ask: the batch.
        most: so many items at most.
        now: the time, UTC.

    Raises:
        Refused: 422 for no batch, too many items, or a key used for another body.
    """
    if ask.key is not None and not 0 < len(ask.key) <= LONGEST_KEY:
        raise Refused(422, f"An Idempotency-Key has 1 to {LONGEST_KEY} characters.")
    checked = [items_.check(ask.resource, item) for item in parsed(ask.body, most)]
    asked = ask.asked
    with store.writing() as connection:
        if asked and (found := kept_answers.found(connection, asked)):
            return _again(found)
        done = _applied(connection, ask, checked, now)
        if asked:
            kept_answers.keep(connection, asked, 200, done.body, now)
        return done


def _again(answer: str) -> Answered:
    content = orjson.loads(answer)
    counts = {name: content[name] for name in ("successful", "failed")}
    return Answered(body=answer.encode(), is_replayed=True, **counts)


def parsed(body: bytes, most: int) -> list[Any]:
    """Return the items of a batch's body.

    Raises:
        Refused: 422 for what is no batch, or has too many items.
    """
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(422, f"The body is no JSON: {error}.") from error
    if not isinstance(content, dict) or set(content) != {"items"}:
        raise Refused(422, 'The body must be an object with one field: {"items": [...]}.')
    found = content["items"]
    if not isinstance(found, list) or not found:
        raise Refused(422, "items: must be a list of at least one item.")
    if len(found) > most:
        raise Refused(
            422,
            f"{len(found)} items; a batch has {most} at most. Send several batches, or one to "
            "/api/v1/batch/async.",
        )
    return found


def insert(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Append rows to the log."""
    if rows:
        connection.execute(ITEMS.insert(), rows)


def _applied(
    connection: Connection, ask: Ask, checked: list[items_.Checked], now: datetime
) -> Answered:
    batch_id = new_id(now)
    standing = items_.current(connection, ask.resource, [item.key for item in checked])
    done = items_.apply(checked, standing, resource=ask.resource, batch_id=batch_id, now=now)
    insert(connection, done.rows)
    content = {
        "batch_id": batch_id,
        "successful": len(done.rows),
        "failed": done.failed,
        "results": done.results,
    }
    return Answered(body=orjson.dumps(content), successful=len(done.rows), failed=done.failed)


def new_id(now: datetime) -> str:
    """Return a batch's id, sortable by time."""
    return f"b{now:%Y%m%d%H%M%S}{secrets.token_hex(6)}"
