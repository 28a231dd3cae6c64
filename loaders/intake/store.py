"""The intake store: an append-only log of accepted items, in SQLite or PostgreSQL."""

from __future__ import annotations

import os
import tomllib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from loaders.profile import root, var

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine

SCHEMA: Final = "intake"
"""Where the store lives in a PostgreSQL database."""
METADATA: Final = sa.MetaData()
VARIABLE: Final = "SOURCES__INTAKE__URL"

ITEMS: Final = sa.Table(
    "items",
    METADATA,
    sa.Column(
        "sequence",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("resource", sa.Text, nullable=False),
    sa.Column("item_id", sa.BigInteger, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("batch_id", sa.Text, nullable=False),
    sa.Column("accepted_at", sa.DateTime, nullable=False),
    sa.Index("items_by_id", "resource", "item_id", "sequence"),
    sa.Index("items_in_order", "resource", "sequence"),
    sqlite_autoincrement=True,
)
"""One row per accepted item. `data` is the whole row as it stands after the item, as JSON; of a
deletion, as it stood before. Sequences grow in the order of commits: writers stand in line."""

CUT_AT_ONCE: Final = 500
"""Items that are deleted in one transaction, for which others wait."""
_LOCK: Final = 7428302
"""PostgreSQL's advisory lock that writers of the store hold until they commit."""


def store_url(given: str = "") -> str:
    """Return the store's SQLAlchemy URL: as given, or from its variable, dlt's files, a default."""
    url = given or os.environ.get(VARIABLE) or _from_files()
    url = url or f"sqlite:///{var() / 'intake.sqlite'}"
    for prefix in ("postgres://", "postgresql://"):
        url = url.replace(prefix, "postgresql+psycopg2://", 1) if url.startswith(prefix) else url
    return url


def _from_files() -> str:
    for name in ("secrets.toml", "config.toml"):
        path = root() / ".dlt" / name
        if path.exists():
            facts = tomllib.loads(path.read_text(encoding="utf-8"))
            if url := facts.get("sources", {}).get("intake", {}).get("url"):
                return str(url)
    return ""


def engine_for(url: str) -> Engine:
    """Return an engine for the store; nothing is opened yet."""
    if url.startswith("sqlite"):
        engine = sa.create_engine(url)
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin)
        return engine
    engine = sa.create_engine(url, pool_pre_ping=True, pool_size=10)
    return engine.execution_options(schema_translate_map={None: SCHEMA})


def exists(engine: Engine) -> bool:
    """Tell whether anything was ever put into the store."""
    place = engine.url.database
    if engine.dialect.name == "sqlite" and not (place and Path(place).exists()):
        return False
    schema = None if engine.dialect.name == "sqlite" else SCHEMA
    with engine.connect() as connection:
        return sa.inspect(connection).has_table(ITEMS.name, schema=schema)


def create(engine: Engine) -> None:
    """Make the store's tables where they are missing; for SQLite, its folder too."""
    if engine.dialect.name == "sqlite" and engine.url.database:
        Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"create schema if not exists {SCHEMA}")
        METADATA.create_all(connection)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a transaction that no other writer is in: sequences are committed in their order."""
    options = {"is_writing": True}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"select pg_advisory_xact_lock({_LOCK})")
        yield connection


def superseded(connection: Connection, before: datetime, after: int = 0) -> list[int]:
    """Return the next few sequences of items that a newer one of their id has replaced since.

    What is left is the newest item of each id, deletions included: a warehouse that loads the
    store for the first time still ends with every row as it stands.

    Args:
        connection: to the store.
        before: only of items that were accepted before it, UTC without a zone.
        after: only of sequences behind this.
    """
    newer = ITEMS.alias("newer")
    is_replaced = sa.exists().where(
        newer.c.resource == ITEMS.c.resource,
        newer.c.item_id == ITEMS.c.item_id,
        newer.c.sequence > ITEMS.c.sequence,
    )
    query = sa.select(ITEMS.c.sequence).where(
        ITEMS.c.sequence > after, ITEMS.c.accepted_at < before, is_replaced
    )
    found = connection.execute(query.order_by(ITEMS.c.sequence).limit(CUT_AT_ONCE))
    return list(found.scalars())


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None
    connection.execute("pragma busy_timeout = 30000")
    connection.execute("pragma journal_mode = wal")
    # accepted means durable: the log is on the disk before the answer goes out
    connection.execute("pragma synchronous = full")


def _begin(connection: Connection) -> None:
    """Take the write lock at once where one writes; readers never wait."""
    is_writing = connection.get_execution_options().get("is_writing")
    connection.exec_driver_sql("begin immediate" if is_writing else "begin")
