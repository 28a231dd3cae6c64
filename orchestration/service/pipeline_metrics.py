"""Metrics of runs and of the intake, read from the ledger and the store when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from loaders.intake.store import ITEMS
from orchestration.ledger_schema import RUNS
from orchestration.service.store import BATCHES

if TYPE_CHECKING:
    from orchestration.service.service import Service


def text(service: Service) -> bytes:
    """Return the metrics in Prometheus' text form."""
    registry = CollectorRegistry()
    _runs(service, registry)
    _intake(service, registry)
    return bytes(generate_latest(registry))


def _runs(service: Service, registry: CollectorRegistry) -> None:
    runs = Gauge("tidemill_runs", "Runs in the ledger.", ["job", "status"], registry=registry)
    ended = Gauge(
        "tidemill_last_success_timestamp_seconds",
        "When a job last completed.",
        ["job"],
        registry=registry,
    )
    counts = sa.select(RUNS.c.job, RUNS.c.status, sa.func.count()).group_by(
        RUNS.c.job, RUNS.c.status
    )
    last = (
        sa.select(RUNS.c.job, sa.func.max(RUNS.c.completed_at))
        .where(RUNS.c.status == "completed")
        .group_by(RUNS.c.job)
    )
    with service.ledger.transaction() as connection:
        for job, status, count in connection.execute(counts).all():
            runs.labels(job, status).set(count)
        for job, when in connection.execute(last).all():
            ended.labels(job).set(when.timestamp())


def _intake(service: Service, registry: CollectorRegistry) -> None:
    newest = Gauge(
        "tidemill_intake_sequence", "Number of the newest accepted item.", registry=registry
    )
    large = Gauge(
        "tidemill_intake_large_batches", "Large batches kept.", ["status"], registry=registry
    )
    by_status: Any = sa.select(BATCHES.c.status, sa.func.count()).group_by(BATCHES.c.status)
    with service.store.reading() as connection:
        newest.set(connection.execute(sa.select(sa.func.max(ITEMS.c.sequence))).scalar() or 0)
        for status, count in connection.execute(by_status).all():
            large.labels(status).set(count)
