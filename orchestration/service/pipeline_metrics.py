"""Metrics of runs and of the intake, read from the ledger and the store when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from loaders.intake.store import ITEMS
from orchestration import metrics
from orchestration.service.store import BATCHES

if TYPE_CHECKING:
    from orchestration.service.service import Service


def text(service: Service) -> bytes:
    """Return the metrics in Prometheus' text form."""
    registry = CollectorRegistry()
    _intake(service, registry)
    runs = metrics.Collector(service.ledger, service.settings.target.place, dict)
    return bytes(generate_latest(registry) + generate_latest(metrics.registry(runs)))


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
