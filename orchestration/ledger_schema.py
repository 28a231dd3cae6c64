"""The ledger's tables, and how they came to be (migrations)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection, Dialect

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


def insert(connection: Connection, table: sa.Table) -> Any:
    """Return the dialect's own insert, which knows what to do on a conflict."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)


def upsert(connection: Connection, table: sa.Table, values: Mapping[str, Any]) -> None:
    """Insert a row, or overwrite the one with the same primary key."""
    keys = {column.name for column in table.primary_key.columns}
    statement = insert(connection, table).values(**values)
    changed = {name: statement.excluded[name] for name in values if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=sorted(keys), set_=changed))
