"""The durable record of runs: what was asked, what happened, what it counted."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from loaders.connection import shown
from orchestration import accounts, plan, process, totals
from orchestration.errors import NameUnknown
from orchestration.ledger_engine import engine_for, migrate, unreachable
from orchestration.ledger_schema import DELIVERIES, RUNS, STEPS, TABLES

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
            accounts.record(connection, run_id, outcome)
            connection.execute(
                STEPS.update()
                .where(STEPS.c.run_id == run_id, STEPS.c.name == name)
                .values(status=plan.COMPLETED, error=None, detail=dict(outcome.detail), **values)
            )

    def count(self, run_id: str, outcome: Outcome) -> None:
        """Record what a step has done, whatever becomes of it."""
        with self.transaction() as connection:
            accounts.record(connection, run_id, outcome)

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
        totals.count_run(connection, run_id)

    def runs(
        self, limit: int = 20, *, job: str | None = None, warehouse: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the newest runs first, each with its steps, tables and deliveries."""
        query = sa.select(RUNS).order_by(RUNS.c.started_at.desc(), RUNS.c.id.desc()).limit(limit)
        if job:
            query = query.where(RUNS.c.job == job)
        if warehouse:
            query = query.where(RUNS.c.warehouse == warehouse)
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
        order = [table.c.position] if key == "steps" else table.primary_key.columns
        columns = [column for column in table.c if column.name != "run_id"]
        query = sa.select(*columns).where(table.c.run_id == row.id).order_by(*order)
        run[key] = [dict(entry) for entry in connection.execute(query).mappings()]
    return run
