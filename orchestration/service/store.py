"""The service's own tables, in the same database as the intake store."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from loaders.connection import shown
from loaders.intake import store as intake
from orchestration.errors import LedgerFailed
from orchestration.ledger_schema import Utc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine

TOKENS: Final = sa.Table(
    "tokens",
    intake.METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("expires_at", Utc),
    sa.Column("revoked_at", Utc),
)
"""One row per token ever made; the secret itself is nowhere."""

ANSWERS: Final = sa.Table(
    "answers",
    intake.METADATA,
    sa.Column("caller", sa.Text, primary_key=True),
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("body_digest", sa.Text, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("answered_at", Utc, nullable=False, index=True),
)
"""One row per Idempotency-Key: what was asked and what was answered."""

BATCHES: Final = sa.Table(
    "batches",
    intake.METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("caller", sa.Text, nullable=False),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("done", sa.BigInteger, nullable=False, default=0),
    sa.Column("successful", sa.BigInteger, nullable=False, default=0),
    sa.Column("failed", sa.BigInteger, nullable=False, default=0),
    sa.Column("read_bytes", sa.BigInteger, nullable=False, default=0),
    sa.Column("result_bytes", sa.BigInteger, nullable=False, default=0),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, default=False),
    sa.Column("error", sa.Text),
    sa.Column("created_at", Utc, nullable=False),
    sa.Column("started_at", Utc),
    sa.Column("completed_at", Utc),
)
"""One row per large batch: how far it is, in items and in bytes of its two files."""

CHUNKS: Final = sa.Table(
    "chunks",
    intake.METADATA,
    sa.Column("batch_id", sa.Text, primary_key=True),
    sa.Column("first_item", sa.BigInteger, primary_key=True),
    sa.Column("result_bytes", sa.BigInteger, nullable=False),
)
"""Where in a large batch's results the results of a chunk of items begin."""

SECRETS: Final = sa.Table(
    "secrets",
    intake.METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
"""What signs page sessions and forms; made once."""


class Store:
    """The service's database. Writers stand in line, in this process and in others."""

    def __init__(self, engine: Engine, place: str) -> None:
        self.engine = engine
        self.place = place
        self._line = threading.Lock()

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the store and make its tables where they are missing.

        Raises:
            LedgerFailed: it cannot be opened or written to.
        """
        try:
            engine = intake.engine_for(url)
        except (SQLAlchemyError, ImportError) as error:
            raise unusable(shown(url), error) from error
        store = cls(engine, shown(url))
        try:
            intake.create(engine)
        except (SQLAlchemyError, OSError) as error:
            raise unusable(store.place, error) from error
        return store

    @property
    def is_shared(self) -> bool:
        """Whether servers of several machines may use it."""
        return self.engine.dialect.name != "sqlite"

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a transaction for writing; committed, and on the disk, when the block ends.

        Raises:
            LedgerFailed: the database does not answer.
        """
        try:
            with self._line, intake.writing(self.engine) as connection:
                yield connection
        except SQLAlchemyError as error:
            raise unusable(self.place, error) from error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection for reading, which waits for no writer.

        Raises:
            LedgerFailed: the database does not answer.
        """
        try:
            with self.engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise unusable(self.place, error) from error

    def close(self) -> None:
        """Give the database free."""
        self.engine.dispose()


def unusable(place: str, error: Any) -> LedgerFailed:
    """Return one clear sentence for a store that does not answer."""
    reason = " ".join(str(getattr(error, "orig", None) or error).split())
    return LedgerFailed(
        f"Cannot use the intake store '{place}': {reason}. Check {intake.VARIABLE}, and that the "
        "folder or server can be written to."
    )
