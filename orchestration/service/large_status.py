"""What comes of a large batch: status, results, cancel."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003  pydantic reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Final

import sqlalchemy as sa
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel

from orchestration.service import spool
from orchestration.service.access import Writer  # noqa: TC001  FastAPI reads the annotations
from orchestration.service.items import ItemResult
from orchestration.service.large import OPEN
from orchestration.service.problems import Refused, declared
from orchestration.service.store import BATCHES, CHUNKS

if TYPE_CHECKING:
    from orchestration.service.service import Service
    from orchestration.service.tokens import Caller

PLACE: Final = "/api/v1/batch"
JobId = Annotated[str, Path(pattern="^b[0-9a-f]{10,40}$", description="As it was answered.")]

routes = APIRouter(tags=["large batches in"])


class Status(BaseModel):
    """How far a large batch is."""

    job_id: str
    resource: str
    status: str
    """pending, running, completed, cancelled or failed."""
    total: int
    done: int
    successful: int
    failed: int
    progress: float
    """From 0 to 1."""
    error: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    status_url: str
    results_url: str


class Results(BaseModel):
    """A page of a large batch's results, in the order of its items."""

    items: list[ItemResult]
    page: int
    page_size: int
    total: int
    """Results that there are by now."""
    has_next: bool
    has_prev: bool


def links(batch_id: str) -> dict[str, Any]:
    """Return a batch's id and where its status and results are."""
    own = f"{PLACE}/{batch_id}"
    return {"job_id": batch_id, "status_url": f"{own}/status", "results_url": f"{own}/results"}


@routes.get(f"{PLACE}/{{job_id}}/status", responses=declared(401, 403, 404, 422, 429, 503))
def large_batch_status(request: Request, caller: Writer, job_id: JobId) -> Status:
    """Tell how far a large batch is."""
    return _status(_row(request.app.state.service, caller, job_id))


@routes.post(
    f"{PLACE}/{{job_id}}/cancel",
    status_code=202,
    responses=declared(401, 403, 404, 409, 422, 429, 503),
)
def cancel_large_batch(request: Request, caller: Writer, job_id: JobId) -> Status:
    """Stop a large batch after the chunk at hand. What was applied stays."""
    service: Service = request.app.state.service
    row = _row(service, caller, job_id)
    if row.status not in OPEN:
        raise Refused(409, f"The batch '{job_id}' is {row.status} already.")
    with service.store.writing() as connection:
        asked = BATCHES.update().where(BATCHES.c.id == job_id)
        connection.execute(asked.values(cancel_requested=True))
    service.worker.wake()
    return _status(row)


@routes.get(f"{PLACE}/{{job_id}}/results", responses=declared(401, 403, 404, 422, 429, 503))
def large_batch_results(
    request: Request,
    caller: Writer,
    job_id: JobId,
    page: Annotated[int, Query(ge=1, le=1_000_000_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Results:
    """Give the results that there are by now."""
    service: Service = request.app.state.service
    row = _row(service, caller, job_id)
    first = (page - 1) * page_size
    found = _results(service, row, first, page_size) if first < row.done else []
    return Results(
        items=[ItemResult(**result) for result in found],
        page=page,
        page_size=page_size,
        total=row.done,
        has_next=first + page_size < row.done,
        has_prev=page > 1,
    )


def _results(service: Service, row: Any, first: int, count: int) -> list[dict[str, Any]]:
    query = (
        sa.select(CHUNKS)
        .where(CHUNKS.c.batch_id == row.id, CHUNKS.c.first_item <= first)
        .order_by(CHUNKS.c.first_item.desc())
        .limit(1)
    )
    with service.store.reading() as connection:
        chunk = connection.execute(query).first()
    if chunk is None or not spool.results_path(service.worker.folder, row.id).exists():
        raise Refused(
            404,
            f"The results of '{row.id}' are not here: their time is over, or another server took "
            "the batch.",
        )
    return spool.read_results(
        service.worker.folder,
        row.id,
        at=chunk.result_bytes,
        skip=first - chunk.first_item,
        count=min(count, row.done - first),
    )


def _row(service: Service, caller: Caller, job_id: str) -> Any:
    query = sa.select(BATCHES).where(BATCHES.c.id == job_id, BATCHES.c.caller == caller.id)
    with service.store.reading() as connection:
        row = connection.execute(query).first()
    if row is None:
        hours = service.limits.keep_hours
        raise Refused(
            404,
            f"No large batch '{job_id}' of yours. They are kept {hours:g} hours after their end.",
        )
    return row


def _status(row: Any) -> Status:
    names = set(Status.model_fields) - {"job_id", "progress", "status_url", "results_url"}
    facts = {name: getattr(row, name) for name in names}
    return Status(**facts, **links(row.id), progress=row.done / row.total if row.total else 1.0)
