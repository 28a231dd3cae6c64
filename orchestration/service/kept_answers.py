"""Answers to Idempotency-Keys: the same key and body get the same answer, and are applied once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from orchestration.service.problems import Refused
from orchestration.service.store import ANSWERS

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from orchestration.service.store import Store


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What tells one question from another; a key is its caller's own."""

    caller: str
    path: str
    key: str
    digest: str
    """Of the body."""


def found(connection: Connection, asked: Asked) -> str | None:
    """Return the answer that was given before, if one was.

    Raises:
        Refused: 422, when the key was used for another body.
    """
    query = sa.select(ANSWERS).filter_by(caller=asked.caller, path=asked.path, key=asked.key)
    row = connection.execute(query).first()
    if row is not None and row.body_digest != asked.digest:
        raise Refused(
            422,
            f"The Idempotency-Key '{asked.key}' was used for another body. Take a new key for it.",
        )
    return row.answer if row is not None else None


def keep(connection: Connection, asked: Asked, status: int, answer: bytes, now: datetime) -> None:
    """Keep an answer, in the transaction that makes it true."""
    connection.execute(
        ANSWERS.insert().values(
            caller=asked.caller,
            path=asked.path,
            key=asked.key,
            body_digest=asked.digest,
            status=status,
            answer=answer.decode(),
            answered_at=now,
        )
    )


def forget(store: Store, *, now: datetime, hours: float) -> None:
    """Delete answers that are older than so many hours."""
    with store.writing() as connection:
        oldest = now - timedelta(hours=hours)
        connection.execute(ANSWERS.delete().where(ANSWERS.c.answered_at < oldest))
