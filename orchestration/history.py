"""What the ledger is asked: when a job last succeeded, what a step last did, what is fresh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from orchestration import plan
from orchestration.ledger_schema import LOADS, RUNS, STEPS, TABLES, Utc

if TYPE_CHECKING:
    from datetime import datetime

    from orchestration.ledger import Ledger


def recorded_loads(ledger: Ledger, source: str, limit: int = 100) -> tuple[str, ...]:
    """Return the newest load packages of a source whose counts are recorded."""
    query = (
        sa.select(LOADS.c.load_id)
        .where(LOADS.c.source == source)
        .order_by(LOADS.c.load_id.desc())
        .limit(limit)
    )
    with ledger.transaction() as connection:
        return tuple(connection.execute(query).scalars())


def idle_loads(ledger: Ledger, limit: int = 1000) -> tuple[str, ...]:
    """Return the newest load packages that brought nothing, each as `<source> <load id>`."""
    query = (
        sa.select(LOADS.c.source, LOADS.c.load_id)
        .where(~LOADS.c.news)
        .order_by(LOADS.c.load_id.desc())
        .limit(limit)
    )
    with ledger.transaction() as connection:
        return tuple(f"{row.source} {row.load_id}" for row in connection.execute(query))


def last_detail(ledger: Ledger, run_id: str, step: plan.Step) -> dict[str, Any] | None:
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
    with ledger.transaction() as connection:
        row = connection.execute(query).first()
    return dict(row.detail or {}) if row and row.status == plan.COMPLETED else None


def successes(ledger: Ledger, warehouse: str) -> dict[str, datetime]:
    """Return when each job last completed on a warehouse."""
    query = (
        sa.select(RUNS.c.job, sa.func.max(RUNS.c.completed_at, type_=Utc))
        .where(RUNS.c.warehouse == warehouse, RUNS.c.status == plan.COMPLETED)
        .group_by(RUNS.c.job)
    )
    with ledger.transaction() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def newest_runs(ledger: Ledger, warehouse: str) -> list[dict[str, Any]]:
    """Return the newest run of each job on a warehouse, without its steps."""
    newest = (
        sa.select(RUNS.c.job, sa.func.max(RUNS.c.started_at).label("started_at"))
        .where(RUNS.c.warehouse == warehouse)
        .group_by(RUNS.c.job)
        .subquery()
    )
    same = sa.and_(RUNS.c.job == newest.c.job, RUNS.c.started_at == newest.c.started_at)
    query = sa.select(RUNS).join(newest, same).where(RUNS.c.warehouse == warehouse)
    with ledger.transaction() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def table_news_at(ledger: Ledger, warehouse: str) -> dict[tuple[str, str], datetime]:
    """Return when each table of each source last got something new."""
    query = (
        sa.select(TABLES.c.source, TABLES.c.table, sa.func.max(RUNS.c.started_at, type_=Utc))
        .join(RUNS, RUNS.c.id == TABLES.c.run_id)
        .where(RUNS.c.warehouse == warehouse, TABLES.c.loaded > 0)
        .group_by(TABLES.c.source, TABLES.c.table)
    )
    with ledger.transaction() as connection:
        return {(row[0], row[1]): row[2] for row in connection.execute(query)}


def news_at(ledger: Ledger, warehouse: str) -> dict[str, datetime]:
    """Return when each source last brought something new."""
    found: dict[str, datetime] = {}
    for (source, _), at in table_news_at(ledger, warehouse).items():
        found[source] = max(at, found.get(source, at))
    return found
