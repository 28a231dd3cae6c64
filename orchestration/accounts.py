"""Writes down what a step counted: rows of tables, each load package once, and deliveries."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from orchestration import totals
from orchestration.ledger_schema import DELIVERIES, LOADS, TABLES, insert, upsert
from orchestration.outcome import COUNTS

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from orchestration.outcome import Delivery, Outcome, Table


def record(connection: Connection, run_id: str, outcome: Outcome) -> None:
    """Add to a run what one attempt of a step did."""
    known = {load for load in outcome.loads if not _claim(connection, run_id, load, outcome)}
    tables = [each for each in outcome.tables if (each.source, each.load_id) not in known]
    for table in tables:
        _add(connection, run_id, table)
    for delivery in outcome.deliveries:
        _deliver(connection, run_id, delivery)
    totals.count_items(connection, run_id, replace(outcome, tables=tuple(tables)))


def _claim(connection: Connection, run_id: str, load: tuple[str, str], outcome: Outcome) -> bool:
    """Record a load package, and tell whether it was not yet: its rows count once only.

    Two jobs that load the same source one after the other may both come with it.
    """
    source, load_id = load
    row = {"source": source, "load_id": load_id, "run_id": run_id}
    statement = insert(connection, LOADS).values(**row, news=outcome.brought_by(load_id))
    return bool(connection.execute(statement.on_conflict_do_nothing()).rowcount)


def _add(connection: Connection, run_id: str, table: Table) -> None:
    row = {"run_id": run_id, "source": table.source, "table": table.table}
    counts = {name: getattr(table, name) for name in COUNTS}
    statement = insert(connection, TABLES).values(**row, **counts)
    more = {name: TABLES.c[name] + statement.excluded[name] for name in COUNTS}
    connection.execute(statement.on_conflict_do_update(index_elements=list(row), set_=more))


def _deliver(connection: Connection, run_id: str, delivery: Delivery) -> None:
    """Add what was sent; refused and left out is what the last attempt says."""
    key = {"run_id": run_id, "output": delivery.output}
    before = connection.execute(sa.select(DELIVERIES.c.successful).filter_by(**key)).scalar()
    counts = {"successful": (before or 0) + delivery.successful, "files": list(delivery.files)}
    upsert(connection, DELIVERIES, {**key, **vars(delivery), **counts})
