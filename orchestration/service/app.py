"""The application: all routes, the guard around them, and the OpenAPI document."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from orchestration.service import (
    health_routes,
    intake_routes,
    large_routes,
    large_status,
    marts_routes,
    page_actions,
    page_errors,
    page_routes,
    quarantine_routes,
    runs_routes,
)
from orchestration.service import problems as problems_
from orchestration.service.guard import Guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from orchestration.service.scheduling import Scheduling
    from orchestration.service.service import Service

DESCRIPTION: Final = (
    "Batches in, marts out, runs. Errors are problem details (RFC 9457). Tokens are made by "
    "`tidemill token make`; a server bound to loopback may do without."
)


def create(service: Service, scheduling: Scheduling | None = None) -> FastAPI:
    """Return the application over the parts of a service, and the scheduler beside it."""
    app = FastAPI(
        title="Tidemill",
        version="1",
        description=DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.state.scheduling = scheduling
    for router in (
        intake_routes.router(service.limits.batch_items),
        large_routes.routes,
        large_status.routes,
        runs_routes.routes,
        quarantine_routes.routes,
        marts_routes.router(service.marts),
        health_routes.routes,
        page_routes.routes,
        page_actions.routes,
    ):
        app.include_router(router)
    page_errors.register(app)
    app.add_middleware(Guard, service=service)
    _declare_problems(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    scheduling: Scheduling | None = app.state.scheduling
    service.worker.start()
    if scheduling:
        scheduling.start()
    try:
        yield
    finally:
        if scheduling:
            await run_in_threadpool(scheduling.close)
        service.close()


def _declare_problems(app: FastAPI) -> None:
    """Say in the OpenAPI document that problems have a media type of their own."""
    whole = app.openapi

    def openapi() -> dict[str, Any]:
        document = whole()
        for operations in document["paths"].values():
            for operation in operations.values():
                _rename(operation["responses"])
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _rename(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        content = response.get("content", {})
        if status >= "400" and "application/json" in content:
            content[problems_.MEDIA_TYPE] = content.pop("application/json")
