"""What the ledger and the logs know of runs, for programs and for the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from orchestration.errors import NameUnknown
from orchestration.ledger_schema import RUNS
from orchestration.service import progress_file

if TYPE_CHECKING:
    from orchestration.ledger import Ledger
    from orchestration.settings import Settings

HIDDEN = frozenset({"host", "process", "heartbeat_at", "warehouse"})
"""What is nobody's business over HTTP."""


def listed(
    ledger: Ledger, *, limit: int, job: str | None, status: str | None, before: str | None
) -> list[dict[str, Any]]:
    """Return runs, newest first, without their steps."""
    query = sa.select(RUNS).order_by(RUNS.c.id.desc()).limit(limit)
    if job:
        query = query.where(RUNS.c.job == job)
    if status:
        query = query.where(RUNS.c.status == status)
    if before:
        query = query.where(RUNS.c.id < before)
    with ledger.transaction() as connection:
        return [shown(dict(row)) for row in connection.execute(query).mappings()]


def one(ledger: Ledger, run_id: str) -> dict[str, Any]:
    """Return a run by its whole id, with steps, tables and deliveries.

    Raises:
        NameUnknown: there is none.
    """
    run = ledger.run(run_id)
    if run["id"] != run_id:
        raise NameUnknown(f"No run '{run_id}'. GET /api/v1/runs lists them.")
    return shown(run)


def shown(run: dict[str, Any]) -> dict[str, Any]:
    """Return a run without what is only for the runner."""
    return {str(name): _plain(value) for name, value in run.items() if name not in HIDDEN}


def _plain(value: Any) -> Any:
    """Return rows whose names are plain texts: SQLAlchemy's are of a type of their own."""
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, dict):
        return {str(name): entry for name, entry in value.items()}
    return value


def with_progress(run: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Return a run whose steps tell how far they are."""
    known = progress_file.read(settings.artifacts(run["id"]))
    steps = [{**step, "progress": known.get(step["name"])} for step in run["steps"]]
    return {**run, "steps": steps}


def step_log(settings: Settings, run: dict[str, Any], step: str) -> str:
    """Return what a step's libraries printed.

    Raises:
        NameUnknown: the run has no such step.
    """
    names = [entry["name"] for entry in run["steps"]]
    if step not in names:
        raise NameUnknown(f"No step '{step}' in this run. Steps: {', '.join(names)}.")
    path = settings.artifacts(run["id"]) / f"{step.replace(' ', '-')}.log"
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
