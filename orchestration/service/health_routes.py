"""Whether the service lives, whether it can do its work, and its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from orchestration.errors import OrchestrationError
from orchestration.service import pipeline_metrics
from orchestration.service.access import Reader  # noqa: TC001  FastAPI reads the annotations
from orchestration.service.problems import Refused, declared

if TYPE_CHECKING:
    from orchestration.service.service import Service

routes = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers."""

    status: str


class Ready(BaseModel):
    """What the service needs is there."""

    status: str
    checks: dict[str, str]


@routes.get("/healthz")
async def healthz() -> Alive:
    """Tell that the process answers. Needs no token and says nothing else."""
    return Alive(status="ok")


@routes.get("/readyz", responses=declared(503))
def readyz(request: Request) -> Ready:
    """Tell whether the store and the ledger answer. Needs no token and names no place."""
    service: Service = request.app.state.service
    checks: dict[str, str] = {}
    for name, opened in (("store", service.store.reading), ("ledger", service.ledger.transaction)):
        try:
            with opened() as connection:
                connection.execute(sa.text("select 1"))
            checks[name] = "ok"
        except OrchestrationError:
            raise Refused(503, f"The {name} does not answer; see the server's log.") from None
    checks["marts"] = _marts(service)
    if scheduling := request.app.state.scheduling:
        checks["scheduler"] = "ok" if scheduling.is_at_work else "stopped; see the server's log"
    return Ready(status="ready", checks=checks)


def _marts(service: Service) -> str:
    try:
        service.published.version()
    except OrchestrationError:
        return "nothing published yet"
    return "ok"


@routes.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, **declared(401, 403, 422, 429, 503)},
)
def metrics(request: Request, _: Reader) -> Response:
    """Give the metrics of the service and of its runs, for Prometheus."""
    service: Service = request.app.state.service
    body: Any = generate_latest(service.counters.registry)
    return Response(body + pipeline_metrics.text(service), media_type=CONTENT_TYPE_LATEST)
