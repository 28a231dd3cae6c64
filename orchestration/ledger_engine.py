"""How the ledger is reached, made, and brought to the newest version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from orchestration.errors import LedgerFailed
from orchestration.ledger_schema import METADATA, MIGRATIONS, NEWEST, SCHEMA, VERSION

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine


def engine_for(url: str) -> Engine:
    """Return an engine for the ledger; nothing is opened yet."""
    if url.startswith("postgresql://"):
        return _postgres(url)
    engine = sa.create_engine(url, pool_pre_ping=True)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_immediate)
    return engine


def _postgres(url: str) -> Engine:
    """Let libpq read the URL, as dbt and the loaders do: it knows sockets, services, and TLS."""
    import psycopg2

    engine = sa.create_engine(
        "postgresql+psycopg2://",
        creator=lambda: psycopg2.connect(url, connect_timeout=10),
        pool_pre_ping=True,
    )
    return engine.execution_options(schema_translate_map={None: SCHEMA})


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None
    connection.execute("pragma busy_timeout = 30000")
    connection.execute("pragma journal_mode = wal")


def _begin_immediate(connection: Connection) -> None:
    """Take the write lock at once: a reader that turns writer later cannot be told to wait."""
    connection.exec_driver_sql("begin immediate")


def migrate(engine: Engine, place: str) -> int:
    """Bring the ledger to the newest version and return the version it had (0: it was not there).

    Raises:
        LedgerFailed: the ledger cannot be opened, or is newer than this program.
    """
    try:
        with engine.begin() as connection:
            found = _found_version(connection)
            _refuse_newer(found)
            if found == 0:
                _create(connection)
            for version in range(found + 1, NEWEST + 1) if found else ():
                _upgrade(connection, version)
            return found
    except SQLAlchemyError as error:
        raise unreachable(place, error) from error


def _found_version(connection: Connection) -> int:
    schema = SCHEMA if connection.dialect.name == "postgresql" else None
    if not sa.inspect(connection).has_table(VERSION.name, schema=schema):
        return 0
    return int(connection.execute(sa.select(sa.func.max(VERSION.c.version))).scalar() or 0)


def _create(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Two runners may start at once; the second waits here and then finds all made.
        connection.exec_driver_sql("select pg_advisory_xact_lock(7428301)")
        connection.exec_driver_sql(f"create schema if not exists {SCHEMA}")
    if _found_version(connection) == 0:
        METADATA.create_all(connection)
        connection.execute(VERSION.insert().values(version=NEWEST))


def _upgrade(connection: Connection, version: int) -> None:
    schema = f"{SCHEMA}." if connection.dialect.name == "postgresql" else ""
    for statement in MIGRATIONS[version]:
        connection.exec_driver_sql(statement.format(schema=schema))
    connection.execute(VERSION.update().values(version=version))


def _refuse_newer(found: int) -> None:
    if found > NEWEST:
        raise LedgerFailed(
            f"Cannot use the ledger: it has version {found}, and this program knows "
            f"{NEWEST}. Update the program; nothing was changed."
        )


def unreachable(place: str, error: SQLAlchemyError) -> LedgerFailed:
    """Return one clear sentence for a ledger that does not answer."""
    reason = " ".join(str(getattr(error, "orig", None) or error).split()).rstrip(".?")
    return LedgerFailed(
        f"Cannot use the ledger '{place}': {reason}. Check that this server or folder can be "
        "written to and has room; TIDEMILL_LEDGER_URL says where it is, else "
        "TIDEMILL_POSTGRES_DSN does. What was committed stays; run the command again then."
    )
