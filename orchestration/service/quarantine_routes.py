"""The quarantine over HTTP: reasons, rows, replay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel

from orchestration import quarantine_read
from orchestration.service.access import Reader, Runner  # noqa: TC001  FastAPI reads them
from orchestration.service.problems import declared
from orchestration.service.runs_routes import Started, begun

if TYPE_CHECKING:
    from orchestration.service.service import Service

routes = APIRouter(tags=["quarantine"])
Table = Annotated[str, Path(max_length=200)]


class Reason(BaseModel):
    """How many rows of a table break the same rules."""

    table: str
    reasons: str
    count: int


class Reasons(BaseModel):
    """What is in the quarantine."""

    items: list[Reason]
    total: int


class Rows(BaseModel):
    """Rows of one table in the quarantine, as they arrived, with their reasons."""

    items: list[dict[str, Any]]
    total: int
    page: int
    page_size: int
    has_next: bool
    has_prev: bool


@routes.get("/api/v1/quarantine", responses=declared(401, 403, 422, 429, 503))
def list_quarantine(request: Request, _: Reader) -> Reasons:
    """Count the rows that break a rule, by table and reasons."""
    service: Service = request.app.state.service
    with service.published.connect() as connection:
        found = quarantine_read.reasons(connection)
    items = [Reason(**entry) for entry in found]
    return Reasons(items=items, total=sum(item.count for item in items))


@routes.get("/api/v1/quarantine/{table}", responses=declared(401, 403, 404, 422, 429, 503))
def list_quarantined_rows(
    request: Request,
    _: Reader,
    table: Table,
    reasons: Annotated[str | None, Query(max_length=1000)] = None,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    page_size: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Rows:
    """Show rows of a table in the quarantine."""
    service: Service = request.app.state.service
    offset = (page - 1) * page_size
    with service.published.connect() as connection:
        columns, found, total = quarantine_read.rows(
            connection, table, reason=reasons, limit=page_size, offset=offset
        )
    return Rows(
        items=[dict(zip(columns, row, strict=True)) for row in found],
        total=total,
        page=page,
        page_size=page_size,
        has_next=offset + len(found) < total,
        has_prev=page > 1,
    )


@routes.post(
    "/api/v1/quarantine/replay",
    status_code=202,
    responses=declared(401, 403, 404, 409, 422, 429, 503),
)
def replay_quarantine(request: Request, _: Runner) -> Started:
    """Judge all rows anew, after a rule or its data was corrected, and publish what passes."""
    service: Service = request.app.state.service
    return begun(request, service.launcher.start(service.ledger, "run", "replay"))
