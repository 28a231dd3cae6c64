"""Runs over HTTP: list, one, logs, live; start, resume, cancel."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003  pydantic reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict

from orchestration import jobs, lease, logs, plan
from orchestration.errors import unknown
from orchestration.service import runs_read
from orchestration.service.access import Reader, Runner  # noqa: TC001  FastAPI reads them
from orchestration.service.problems import Refused, declared

if TYPE_CHECKING:
    from orchestration.service.service import Service

RunId = Annotated[str, Path(pattern="^[0-9]{8}-[0-9]{6}-[0-9a-f]{4,8}$", description="A run's id.")]
Status = Annotated[
    str | None, Query(pattern=f"^({'|'.join(sorted({plan.RUNNING, *plan.ENDED}))})$")
]
Name = Annotated[str | None, Query(max_length=100)]
PROBLEMS: Final = (401, 403, 404, 422, 429, 503)

routes = APIRouter(tags=["runs"])


class Run(BaseModel):
    """One run of a job."""

    model_config = ConfigDict(extra="allow")

    id: str
    job: str
    target: str
    trigger: str
    status: str
    """running, completed, partial, failed or cancelled."""
    started_at: datetime
    completed_at: datetime | None
    records_processed: int
    records_rejected: int
    batch_size: int | None
    error: str | None


class RunInFull(Run):
    """One run with its steps, the account of its tables, and what it delivered."""

    steps: list[dict[str, Any]]
    tables: list[dict[str, Any]]
    deliveries: list[dict[str, Any]]


class RunList(BaseModel):
    """Runs, newest first."""

    items: list[Run]
    next_before: str | None
    """Give it as `before` for the ones before these."""


class Started(BaseModel):
    """A run that was begun, or asked to end."""

    run_id: str
    status_url: str
    events_url: str


class JobList(BaseModel):
    """What can be run."""

    items: list[dict[str, Any]]


@routes.get("/api/v1/jobs", responses=declared(401, 403, 422, 429, 503))
def list_jobs(_: Reader) -> JobList:
    """List the jobs and their steps."""
    return JobList(
        items=[
            {"name": name, "description": job.description, "steps": job.names()}
            for name, job in jobs.JOBS.items()
        ]
    )


@routes.get("/api/v1/runs", responses=declared(401, 403, 422, 429, 503))
def list_runs(
    request: Request,
    _: Reader,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
    job: Name = None,
    status: Status = None,
    before: Name = None,
) -> RunList:
    """List runs, newest first."""
    service: Service = request.app.state.service
    found = runs_read.listed(service.ledger, limit=limit + 1, job=job, status=status, before=before)
    page = [Run(**run) for run in found[:limit]]
    return RunList(items=page, next_before=page[-1].id if len(found) > limit else None)


@routes.get("/api/v1/runs/{run_id}", responses=declared(*PROBLEMS))
def one_run(request: Request, _: Reader, run_id: RunId) -> RunInFull:
    """Show a run with its steps, tables and deliveries, and how far its steps are."""
    service: Service = request.app.state.service
    run = runs_read.one(service.ledger, run_id)
    return RunInFull(**runs_read.with_progress(run, service.settings))


@routes.get(
    "/api/v1/runs/{run_id}/logs",
    response_class=Response,
    responses={
        200: {"content": {"application/x-ndjson": {}, "text/plain": {}}},
        **declared(*PROBLEMS),
    },
)
def run_logs(request: Request, _: Reader, run_id: RunId, step: Name = None) -> Response:
    """Give a run's log, a JSON object on each line; or, as text, what one step printed."""
    service: Service = request.app.state.service
    run = runs_read.one(service.ledger, run_id)
    if step is not None:
        text = runs_read.step_log(service.settings, run, step)
        return Response(text, media_type="text/plain; charset=utf-8")
    found, _at = logs.lines_of(service.settings.logs / logs.NAME, run_id)
    lines = b"".join(orjson.dumps(entry) + b"\n" for entry in found)
    return Response(lines, media_type="application/x-ndjson")


@routes.get(
    "/api/v1/runs/{run_id}/events",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}}, **declared(*PROBLEMS)},
)
async def run_events(request: Request, _: Reader, run_id: RunId) -> Response:
    """Follow a run: server-sent events `run`, `log`, and `end` when it has ended."""
    service: Service = request.app.state.service
    await run_in_threadpool(runs_read.one, service.ledger, run_id)
    return service.streams.response(service, run_id)


@routes.post("/api/v1/jobs/{job}/runs", status_code=202, responses=declared(*PROBLEMS, 409))
def start_run(request: Request, _: Runner, job: Annotated[str, Path(max_length=100)]) -> Started:
    """Run a job, in a process of its own."""
    service: Service = request.app.state.service
    if job not in jobs.JOBS:
        raise unknown("job", job[:100], jobs.JOBS)
    return begun(request, service.launcher.start(service.ledger, "run", job))


@routes.post("/api/v1/runs/{run_id}/resume", status_code=202, responses=declared(*PROBLEMS, 409))
def resume_run(request: Request, _: Runner, run_id: RunId) -> Started:
    """Do what is missing of a run that ended early."""
    return begun(request, resume(request.app.state.service, run_id))


@routes.post("/api/v1/runs/{run_id}/cancel", status_code=202, responses=declared(*PROBLEMS, 409))
def cancel_run(request: Request, _: Runner, run_id: RunId) -> Started:
    """Ask a run, wherever it is at work, to stop; it does within seconds."""
    cancel(request.app.state.service, run_id)
    return begun(request, run_id)


def resume(service: Service, run_id: str) -> str:
    """Go on with a run that ended early.

    Raises:
        Refused: 409, when there is nothing to go on with.
    """
    run = runs_read.one(service.ledger, run_id)
    if run["status"] in {plan.COMPLETED, plan.RUNNING}:
        raise Refused(409, f"Cannot resume the run '{run_id}': it is {run['status']}.")
    return service.launcher.start(service.ledger, "resume", run_id)


def cancel(service: Service, run_id: str) -> None:
    """Ask a run to stop.

    Raises:
        Refused: 409, when it is not at work.
    """
    run = runs_read.one(service.ledger, run_id)
    if run["status"] != plan.RUNNING:
        raise Refused(409, f"Cannot cancel the run '{run_id}': it is {run['status']}.")
    lease.request_cancel(service.ledger, run_id)


def begun(request: Request, run_id: str) -> Started:
    """Return where to look, and note it for the audit line."""
    request.state.audit = {"run_id": run_id}
    place = f"/api/v1/runs/{run_id}"
    return Started(run_id=run_id, status_url=place, events_url=f"{place}/events")
