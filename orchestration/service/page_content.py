"""What the page shows, gathered from the ledger and from what readers see."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from orchestration import history, jobs, logs, plan, quarantine_read
from orchestration.errors import OrchestrationError
from orchestration.schedule import next_fire
from orchestration.service import charts, runs_read, statements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from orchestration.service.service import Service

HISTORY = 24
"""Runs of a job in its chart."""
TROUBLED = frozenset({plan.FAILED, plan.PARTIAL, plan.CANCELLED})


def overview(service: Service, now: datetime) -> dict[str, Any]:
    """Gather the first page."""
    found = job_cards(service, now)
    quarantine, marts = from_marts(service)
    fresh = freshness(service, now)
    return {
        "jobs": found,
        "freshness": fresh,
        "quarantine": quarantine,
        "marts": marts,
        "runs": _history(service, None, 12),
        "deliveries": deliveries(service),
        "troubles": troubles(found, fresh),
        "running": [run for card in found if (run := card["last"]) and _is_running(run)],
        "links": links(service),
    }


def job_cards(service: Service, now: datetime) -> list[dict[str, Any]]:
    """Return each job with its last and next run and its chart."""
    return [
        {
            "name": name,
            "description": job.description,
            "words": job.schedule.words() if job.schedule else "by hand",
            "next": next_fire(job.schedule, now) if job.schedule else None,
            "last": history[0] if history else None,
            "bars": charts.bars(history) if history else "",
        }
        for name, job in jobs.JOBS.items()
        for history in [_history(service, name, HISTORY)]
    ]


def _history(service: Service, job: str | None, limit: int) -> list[dict[str, Any]]:
    return runs_read.listed(service.ledger, limit=limit, job=job, status=None, before=None)


def _is_running(run: Mapping[str, Any]) -> bool:
    return bool(run["status"] == plan.RUNNING)


def freshness(service: Service, now: datetime) -> list[dict[str, Any]]:
    """Return each table with the time of its last news, and whether that keeps the promise."""
    place = service.settings.target.place
    return [
        {
            "source": source,
            "table": table,
            "news": at,
            "promise": jobs.FRESH.get(source),
            "is_late": is_late(at, jobs.FRESH.get(source), now),
        }
        for (source, table), at in sorted(history.table_news_at(service.ledger, place).items())
    ]


def is_late(at: datetime, promise: float | None, now: datetime) -> bool:
    """Tell whether a table has had no news for longer than was promised."""
    return promise is not None and (now - at).total_seconds() > promise


def troubles(
    cards: Sequence[Mapping[str, Any]], fresh: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return what needs a person, worst first."""
    found = [
        {
            "title": f"{card['name']} {_ENDED[card['last']['status']]}",
            "detail": card["last"]["error"] or "",
            "run": card["last"]["id"],
        }
        for card in cards
        if card["last"] and card["last"]["status"] in TROUBLED
    ]
    return found + [
        {
            "title": f"{row['source']}.{row['table']} is late",
            "detail": "It has had no news for longer than was promised.",
            "run": None,
        }
        for row in fresh
        if row["is_late"]
    ]


_ENDED = {plan.FAILED: "failed", plan.PARTIAL: "did only a part", plan.CANCELLED: "was cancelled"}


def from_marts(service: Service) -> tuple[list[dict[str, Any]] | None, list[dict[str, Any]]]:
    """Return the quarantine's reasons (None before anything was published) and what is served."""
    try:
        connection = service.published.connect()
    except OrchestrationError:
        return None, []
    with closing(connection):
        reasons = quarantine_read.reasons(connection)
        marts = [
            {
                "mart": mart,
                "count": connection.scalar(f"select count(*) from {statements.table(mart)}"),
            }
            for mart in service.marts.values()
            if connection.table_exists(service.published.schema, mart.model)
        ]
    return reasons, marts


def deliveries(service: Service) -> list[dict[str, Any]]:
    """Return the newest delivery of each output."""
    newest: dict[str, dict[str, Any]] = {}
    for run in service.ledger.runs(HISTORY):
        for row in run["deliveries"]:
            newest.setdefault(row["output"], {**row, "run": run["id"], "at": run["started_at"]})
    return [newest[name] for name in sorted(newest)]


def links(service: Service) -> dict[str, bool]:
    """Return which further pages there are."""
    var = service.settings.var
    return {
        "report": (var / "report.html").exists(),
        "dbt": (var / "docs" / "static_index.html").exists(),
    }


def run(service: Service, run_id: str, now: datetime) -> dict[str, Any]:
    """Gather the page of a run."""
    found = runs_read.with_progress(runs_read.one(service.ledger, run_id), service.settings)
    seconds = ((found["completed_at"] or now) - found["started_at"]).total_seconds()
    return {
        "run": found,
        "seconds": seconds,
        "lines": charts.lines(found, now),
        "log": logs.lines_of(service.settings.logs / logs.NAME, run_id)[0][-200:],
        "has_report": (service.settings.reports / f"{run_id}.html").exists(),
    }
