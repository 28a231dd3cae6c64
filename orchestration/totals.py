"""Counts behind the metrics: they grow as runs happen, and stay when runs are forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from orchestration.ledger_schema import BUCKETS, RUNS, TOTALS, insert

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from orchestration.outcome import Outcome


def count_items(connection: Connection, run_id: str, outcome: Outcome) -> None:
    """Add what a step moved."""
    job = connection.execute(sa.select(RUNS.c.job).where(RUNS.c.id == run_id)).scalar_one()
    for name in ("loaded", "collapsed", "rejected"):
        add(connection, ("items", job, name), sum(getattr(row, name) for row in outcome.tables))
    for name, key in (("delivered", "successful"), ("refused", "failed")):
        add(connection, ("items", job, name), sum(getattr(row, key) for row in outcome.deliveries))


def count_run(connection: Connection, run_id: str) -> None:
    """Add a run that ended, and how long it took."""
    run = connection.execute(sa.select(RUNS).where(RUNS.c.id == run_id)).one()
    seconds = (run.completed_at - run.started_at).total_seconds()
    add(connection, ("jobs", run.job, run.status), 1)
    add(connection, ("seconds", run.job, "sum"), seconds)
    add(connection, ("seconds", run.job, "+Inf"), 1)
    for bound in BUCKETS:
        if seconds <= bound:
            add(connection, ("seconds", run.job, str(bound)), 1)


def add(connection: Connection, key: tuple[str, str, str], amount: float) -> None:
    """Add to the count of a metric, a job and a label."""
    if not amount:
        return
    metric, job, label = key
    row = insert(connection, TOTALS).values(metric=metric, job=job, label=label, value=amount)
    more = {"value": TOTALS.c.value + row.excluded.value}
    keys = list(TOTALS.primary_key.columns)
    connection.execute(row.on_conflict_do_update(index_elements=keys, set_=more))
