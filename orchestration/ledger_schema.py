"""The ledger's tables, how they came to be (migrations), and the engine they are reached by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from orchestration.errors import LedgerFailed

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Dialect, Engine

SCHEMA: Final = "tidemill"
"""Where the ledger lives in a PostgreSQL database."""

METADATA: Final = sa.MetaData()


class Utc(sa.TypeDecorator[datetime]):
    """An aware time in UTC; stored without its zone, which SQLite does not know."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC."""
        del dialect
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Give back an aware time."""
        del dialect
        return value.replace(tzinfo=UTC) if value else None


VERSION: Final = sa.Table("ledger_version", METADATA, sa.Column("version", sa.Integer))

RUNS: Final = sa.Table(
    "runs",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("warehouse", sa.Text, nullable=False),
    sa.Column("trigger", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("batch_size", sa.Integer),
    sa.Column("scheduled_for", Utc),
    sa.Column("started_at", Utc),
    sa.Column("completed_at", Utc),
    sa.Column("heartbeat_at", Utc),
    sa.Column("records_processed", sa.BigInteger, nullable=False, default=0),
    sa.Column("records_rejected", sa.BigInteger, nullable=False, default=0),
    sa.Column("error", sa.Text),
    sa.Column("host", sa.Text),
    sa.Column("process", sa.Text),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, default=False),
    sa.Column("interrupted", sa.Boolean, nullable=False, default=False),
    sa.UniqueConstraint("job", "warehouse", "scheduled_for", name="runs_one_for_a_time"),
)

sa.Index("runs_by_start", RUNS.c.started_at)
sa.Index("runs_by_job", RUNS.c.job, RUNS.c.started_at)

STEPS: Final = sa.Table(
    "steps",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("argument", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("started_at", Utc),
    sa.Column("completed_at", Utc),
    sa.Column("seconds", sa.Float),
    sa.Column("error", sa.Text),
    sa.Column("detail", sa.JSON),
)

TABLES: Final = sa.Table(
    "tables",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("table", sa.Text, primary_key=True),
    sa.Column("read", sa.BigInteger, nullable=False),
    sa.Column("loaded", sa.BigInteger, nullable=False),
    sa.Column("collapsed", sa.BigInteger, nullable=False),
    sa.Column("rejected", sa.BigInteger, nullable=False),
)

sa.Index("steps_by_kind", STEPS.c.kind, STEPS.c.argument)

LOADS: Final = sa.Table(
    "loads",
    METADATA,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("load_id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("news", sa.Boolean, nullable=False, server_default=sa.true()),
)
"""The load packages whose counts stand in `tables`, and whether they brought anything."""

DELIVERIES: Final = sa.Table(
    "deliveries",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("output", sa.Text, primary_key=True),
    sa.Column("model", sa.Text),
    sa.Column("destination", sa.Text),
    sa.Column("successful", sa.BigInteger, nullable=False),
    sa.Column("failed", sa.BigInteger, nullable=False),
    sa.Column("skipped", sa.BigInteger, nullable=False),
    sa.Column("files", sa.JSON),
    sa.Column("seconds", sa.Float),
)

LEASES: Final = sa.Table(
    "leases",
    METADATA,
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("warehouse", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("process", sa.Text, nullable=False),
    sa.Column("heartbeat_at", Utc, nullable=False),
)

SCHEDULES: Final = sa.Table(
    "schedules",
    METADATA,
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("warehouse", sa.Text, primary_key=True),
    sa.Column("definition", sa.Text, nullable=False),
    sa.Column("handled_until", Utc, nullable=False),
)

TOTALS: Final = sa.Table(
    "totals",
    METADATA,
    sa.Column("metric", sa.Text, primary_key=True),
    sa.Column("job", sa.Text, primary_key=True),
    sa.Column("label", sa.Text, primary_key=True),
    sa.Column("value", sa.Float, nullable=False),
)
"""Counts that only grow; they outlive the runs, which are forgotten after a while."""

BUCKETS: Final = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)
"""Upper bounds of the durations' histogram, in seconds."""

TROUBLES: Final = sa.Table(
    "troubles",
    METADATA,
    sa.Column("trouble", sa.Text, primary_key=True),
    sa.Column("warehouse", sa.Text, primary_key=True),
    sa.Column("since", Utc, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
)
"""What people have been told of and is not over yet."""

MIGRATIONS: Final[dict[int, tuple[str, ...]]] = {
    2: ("alter table {schema}loads add column news boolean not null default true",),
}
"""Version → statements that lead to it from the one before; {schema} stands for `tidemill.` or ''.

A new ledger is made by METADATA at the newest version. Version 1 is the first one.
"""
NEWEST: Final = max(MIGRATIONS, default=1)


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
    reason = " ".join(str(getattr(error, "orig", None) or error).split())
    return LedgerFailed(
        f"Cannot use the ledger '{place}': {reason}. "
        "Check TIDEMILL_LEDGER_URL, and that the folder or server can be written to."
    )
