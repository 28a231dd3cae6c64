"""PostgreSQL's rows as Arrow batches: its binary COPY, by ADBC."""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from loaders.connection import shown
from loaders.errors import SourceRefused, SourceUnreachable
from loaders.readers.database_values import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa
    from adbc_driver_manager.dbapi import Connection, _SharedDatabase

BYTES_AT_ONCE: Final = 16 << 20
REFUSED: Final = ("28", "42", "3D")
"""SQLSTATE classes: password, name or right, database."""


def arrow_batches(url: sa.URL, sql: str) -> Iterator[pa.Table]:
    """Yield a statement's rows as they come, some megabytes at once.

    Raises:
        SourceUnreachable: the connection was lost.
        SourceRefused: the database refuses the statement.
    """
    with _explained(url), _connect(url) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(
            **{"adbc.postgresql.batch_size_hint_bytes": str(BYTES_AT_ONCE)}
        )
        cursor.execute(sql)
        for batch in cursor.fetch_record_batch():
            yield pa.Table.from_batches([plain(batch)])


def _connect(url: sa.URL) -> Connection:
    from adbc_driver_manager import AdbcConnection, dbapi

    plain_url = url.set(drivername="postgresql").render_as_string(hide_password=False)
    shared = _database(plain_url)
    return dbapi.Connection(shared, AdbcConnection(shared._db))  # noqa: SLF001 - as adbc_clone() does


@lru_cache(maxsize=16)
def _database(url: str) -> _SharedDatabase:
    """Return a database as ADBC has it, without a connection, for all tables.

    It asks for all types there are, which takes longer than to read a small table. PostgreSQL's
    own are the same in every database, and others are read as text.
    """
    from adbc_driver_manager import dbapi
    from adbc_driver_postgresql import connect

    return dbapi._SharedDatabase(connect(url))  # noqa: SLF001 - closed by no connection


@contextmanager
def _explained(url: sa.URL) -> Iterator[None]:
    """Tell what PostgreSQL said in our words; SQLAlchemy's errors are told by explain()."""
    import adbc_driver_manager

    try:
        yield
    except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
        state = getattr(error, "sqlstate", None) or ""  # Arrow's own, in mid-read, have none
        kind = SourceRefused if state.startswith(REFUSED) else SourceUnreachable
        reason = " ".join(str(error).split())
        advice = "Check that the database runs and what this user may see, and load again."
        if "timeout" in reason:
            advice = "Read it in pages (`page_size`), or give this user more time."
        raise kind(
            f"Cannot read from '{shown(str(url))}': {reason.rstrip('.')}. Nothing of this "
            f"load is visible. {advice}"
        ) from error
