"""The durable record of runs: what was asked, what happened, what it counted."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from loaders.connection import shown
from orchestration import plan, process
from orchestration.errors import NameUnknown
from orchestration.ledger_schema import (
    BUCKETS,
    DELIVERIES,
    LOADS,
    RUNS,
    STEPS,
    TABLES,
    TOTALS,
    Utc,
    engine_for,
    migrate,
    unreachable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine, Row

    from orchestration.outcome import Outcome


class Ledger:
    """Runs, steps, the accounting of tables, deliveries. Every call is one transaction."""

    def __init__(self, engine: Engine, place: str) -> None:
        self.engine = engine
        self.place = place

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the ledger at a SQLAlchemy URL and bring its tables up to date.

        Raises:
            LedgerFailed: it cannot be opened or written to.
        """
        engine, place = engine_for(url), shown(url)
        try:
            if engine.dialect.name == "sqlite" and engine.url.database:
                Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unreachable(place, SQLAlchemyError(str(error))) from error
        migrate(engine, place)
        return cls(engine, place)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give a connection in a transaction; the database's errors become one clear sentence."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise unreachable(self.place, error) from error

    def close(self) -> None:
        """Give the database free."""
        self.engine.dispose()

    def upsert(self, connection: Connection, table: sa.Table, values: Mapping[str, Any]) -> None:
        """Insert a row, or overwrite the one with the same primary key."""
        dialect = postgresql if self.engine.dialect.name == "postgresql" else sqlite
        keys = list(table.primary_key.columns)
        statement = dialect.insert(table).values(**values)
        changed = {
            name: statement.excluded[name]
            for name in values
            if name not in table.primary_key.columns
        }
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))

    def insert_run(self, connection: Connection, job: plan.Job, values: Mapping[str, Any]) -> str:
        """Record a new run, started now, with all its steps pending, and return its id."""
        run_id = new_id(values["started_at"])
        holder = {"host": process.host(), "process": process.identity()}
        row = {
            "id": run_id,
            "status": plan.RUNNING,
            "batch_size": job.batch_size,
            **holder,
            **values,
        }
        connection.execute(RUNS.insert().values(**row, heartbeat_at=values["started_at"]))
        _insert_steps(connection, run_id, job, known=())
        return run_id

    def reopen_run(self, connection: Connection, run_id: str, job: plan.Job, now: datetime) -> None:
        """Take a run up again: what has not completed is pending once more."""
        connection.execute(
            RUNS.update()
            .where(RUNS.c.id == run_id)
            .values(
                status=plan.RUNNING,
                completed_at=None,
                error=None,
                cancel_requested=False,
                interrupted=False,
                heartbeat_at=now,
                host=process.host(),
                process=process.identity(),
            )
        )
        connection.execute(
            STEPS.update()
            .where(STEPS.c.run_id == run_id, STEPS.c.status != plan.COMPLETED)
            .values(status=plan.PENDING, error=None, completed_at=None, seconds=None)
        )
        known = connection.execute(
            sa.select(STEPS.c.name).where(STEPS.c.run_id == run_id)
        ).scalars()
        _insert_steps(connection, run_id, job, known=tuple(known))

    def update_step(self, run_id: str, name: str, **values: Any) -> None:
        """Overwrite fields of a step."""
        with self.transaction() as connection:
            connection.execute(
                STEPS.update()
                .where(STEPS.c.run_id == run_id, STEPS.c.name == name)
                .values(**values)
            )

    def complete_step(self, run_id: str, name: str, outcome: Outcome, **values: Any) -> None:
        """Record a step's end and all it counted, in one transaction."""
        with self.transaction() as connection:
            for table in outcome.totals():
                self.upsert(connection, TABLES, {"run_id": run_id, **vars(table)})
            for source, load_id in outcome.loads:
                kept = {"source": source, "load_id": load_id, "run_id": run_id}
                self.upsert(connection, LOADS, kept)
            for delivery in outcome.deliveries:
                row = {"run_id": run_id, **vars(delivery), "files": list(delivery.files)}
                self.upsert(connection, DELIVERIES, row)
            self._count_items(connection, run_id, outcome)
            connection.execute(
                STEPS.update()
                .where(STEPS.c.run_id == run_id, STEPS.c.name == name)
                .values(status=plan.COMPLETED, error=None, detail=dict(outcome.detail), **values)
            )

    def _count_items(self, connection: Connection, run_id: str, outcome: Outcome) -> None:
        job = connection.execute(sa.select(RUNS.c.job).where(RUNS.c.id == run_id)).scalar_one()
        for name in ("loaded", "collapsed", "rejected"):
            amount = sum(getattr(table, name) for table in outcome.tables)
            self.add_total(connection, ("items", job, name), amount)
        for name, key in (("delivered", "successful"), ("refused", "failed")):
            amount = sum(getattr(delivery, key) for delivery in outcome.deliveries)
            self.add_total(connection, ("items", job, name), amount)

    def add_total(self, connection: Connection, key: tuple[str, str, str], amount: float) -> None:
        """Add to a count that outlives the runs: metric, job, label."""
        if not amount:
            return
        metric, job, label = key
        where = (TOTALS.c.metric == metric, TOTALS.c.job == job, TOTALS.c.label == label)
        more = TOTALS.update().where(*where).values(value=TOTALS.c.value + amount)
        if connection.execute(more).rowcount == 0:
            values = {"metric": metric, "job": job, "label": label, "value": amount}
            self.upsert(connection, TOTALS, values)

    def recorded_loads(self, source: str, limit: int = 100) -> tuple[str, ...]:
        """Return the newest load packages of a source whose counts are recorded."""
        query = (
            sa.select(LOADS.c.load_id)
            .where(LOADS.c.source == source)
            .order_by(LOADS.c.load_id.desc())
            .limit(limit)
        )
        with self.transaction() as connection:
            return tuple(connection.execute(query).scalars())

    def last_detail(self, run_id: str, step: plan.Step) -> dict[str, Any] | None:
        """Return what a step last handed back on this run's warehouse, unless it failed since."""
        warehouse = sa.select(RUNS.c.warehouse).where(RUNS.c.id == run_id).scalar_subquery()
        query = (
            sa.select(STEPS.c.status, STEPS.c.detail)
            .join(RUNS, RUNS.c.id == STEPS.c.run_id)
            .where(RUNS.c.warehouse == warehouse, RUNS.c.id != run_id)
            .where(STEPS.c.kind == step.kind, STEPS.c.argument == step.argument)
            .order_by(RUNS.c.started_at.desc(), RUNS.c.id.desc())
            .limit(1)
        )
        with self.transaction() as connection:
            row = connection.execute(query).first()
        return dict(row.detail or {}) if row and row.status == plan.COMPLETED else None

    def successes(self, warehouse: str) -> dict[str, datetime]:
        """Return when each job last completed on a warehouse."""
        query = (
            sa.select(RUNS.c.job, sa.func.max(RUNS.c.completed_at, type_=Utc))
            .where(RUNS.c.warehouse == warehouse, RUNS.c.status == plan.COMPLETED)
            .group_by(RUNS.c.job)
        )
        with self.transaction() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def newest_runs(self, warehouse: str) -> list[dict[str, Any]]:
        """Return the newest run of each job on a warehouse, without its steps."""
        newest = (
            sa.select(RUNS.c.job, sa.func.max(RUNS.c.started_at).label("started_at"))
            .where(RUNS.c.warehouse == warehouse)
            .group_by(RUNS.c.job)
            .subquery()
        )
        same = sa.and_(RUNS.c.job == newest.c.job, RUNS.c.started_at == newest.c.started_at)
        query = sa.select(RUNS).join(newest, same).where(RUNS.c.warehouse == warehouse)
        with self.transaction() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def table_news_at(self, warehouse: str) -> dict[tuple[str, str], datetime]:
        """Return when each table of each source last got something new."""
        query = (
            sa.select(TABLES.c.source, TABLES.c.table, sa.func.max(RUNS.c.started_at, type_=Utc))
            .join(RUNS, RUNS.c.id == TABLES.c.run_id)
            .where(RUNS.c.warehouse == warehouse, TABLES.c.loaded > 0)
            .group_by(TABLES.c.source, TABLES.c.table)
        )
        with self.transaction() as connection:
            return {(row[0], row[1]): row[2] for row in connection.execute(query)}

    def news_at(self, warehouse: str) -> dict[str, datetime]:
        """Return when each source last brought something new."""
        found: dict[str, datetime] = {}
        for (source, _), at in self.table_news_at(warehouse).items():
            found[source] = max(at, found.get(source, at))
        return found

    def end_run(
        self, connection: Connection, run_id: str, status: str, now: datetime, error: str | None
    ) -> None:
        """Record how a run ended, with the sums of its tables."""
        sums = connection.execute(
            sa.select(
                sa.func.coalesce(sa.func.sum(TABLES.c.read), 0),
                sa.func.coalesce(sa.func.sum(TABLES.c.rejected), 0),
            ).where(TABLES.c.run_id == run_id)
        ).one()
        connection.execute(
            RUNS.update()
            .where(RUNS.c.id == run_id)
            .values(
                status=status,
                completed_at=now,
                error=error,
                records_processed=int(sums[0]),
                records_rejected=int(sums[1]),
            )
        )
        self._count_run(connection, run_id)

    def _count_run(self, connection: Connection, run_id: str) -> None:
        run = connection.execute(sa.select(RUNS).where(RUNS.c.id == run_id)).one()
        seconds = (run.completed_at - run.started_at).total_seconds()
        self.add_total(connection, ("jobs", run.job, run.status), 1)
        self.add_total(connection, ("seconds", run.job, "sum"), seconds)
        for bound in (*BUCKETS, float("inf")):
            if seconds <= bound:
                label = "+Inf" if bound == float("inf") else str(bound)
                self.add_total(connection, ("seconds", run.job, label), 1)

    def runs(self, limit: int = 20, *, job: str | None = None) -> list[dict[str, Any]]:
        """Return the newest runs first, each with its steps, tables and deliveries."""
        query = sa.select(RUNS).order_by(RUNS.c.started_at.desc(), RUNS.c.id.desc()).limit(limit)
        if job:
            query = query.where(RUNS.c.job == job)
        with self.transaction() as connection:
            return [_nested(connection, row) for row in connection.execute(query).all()]

    def run(self, run_id: str) -> dict[str, Any]:
        """Return one run by its id, or by a part of it that only this run has.

        Raises:
            NameUnknown: no run, or several, go by that name.
        """
        query = sa.select(RUNS).where(RUNS.c.id.contains(run_id, autoescape=True)).limit(2)
        with self.transaction() as connection:
            rows = connection.execute(query).all()
            exact = [row for row in rows if row.id == run_id]
            if len(exact or rows) == 1:
                return _nested(connection, (exact or rows)[0])
        found = "several runs go by it" if rows else "no run goes by it"
        raise NameUnknown(f"No run '{run_id}': {found}. `tidemill runs` lists them.")


def new_id(now: datetime) -> str:
    """Return a run's id: sortable by time, and short enough to be typed by its end."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _insert_steps(
    connection: Connection, run_id: str, job: plan.Job, known: tuple[str, ...]
) -> None:
    for position, step in enumerate(job.steps):
        if step.name in known:
            continue
        connection.execute(
            STEPS.insert().values(
                run_id=run_id,
                name=step.name,
                position=position,
                kind=step.kind,
                argument=step.argument,
                status=plan.PENDING,
            )
        )


def _nested(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    run = dict(row._mapping)  # noqa: SLF001  SQLAlchemy's public name for it
    for key, table in (("steps", STEPS), ("tables", TABLES), ("deliveries", DELIVERIES)):
        order = table.c.position if key == "steps" else list(table.primary_key.columns)[-1]
        columns = [column for column in table.c if column.name != "run_id"]
        query = sa.select(*columns).where(table.c.run_id == row.id).order_by(order)
        run[key] = [dict(entry) for entry in connection.execute(query).mappings()]
    return run
