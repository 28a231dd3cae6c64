"""POST /api/v1/<resource>/batch: one route for each resource, shown with its own shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.concurrency import run_in_threadpool

from loaders.intake.resources import RESOURCES
from orchestration.service import batches
from orchestration.service.access import Writer  # noqa: TC001  FastAPI reads the annotations
from orchestration.service.items import METHODS, BatchResult
from orchestration.service.problems import declared

if TYPE_CHECKING:
    from collections.abc import Callable

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Sent again with the same body, the same answer is given and nothing applied.",
        min_length=1,
        max_length=batches.LONGEST_KEY,
    ),
]


def router(most: int) -> APIRouter:
    """Return the routes by which batches come in.

    Args:
        most: so many items in a batch at most.
    """
    routes = APIRouter(tags=["batches in"])
    for name in RESOURCES:
        routes.add_api_route(
            f"/api/v1/{name}/batch",
            _endpoint(name, most),
            methods=["POST"],
            name=f"Push {name}",
            operation_id=f"push_{name}",
            response_model=BatchResult,
            responses=declared(401, 403, 408, 413, 422, 429, 503),
            openapi_extra={"requestBody": _body(name, most)},
        )
    return routes


def _endpoint(resource: str, most: int) -> Callable[..., Any]:
    async def push(request: Request, caller: Writer, key: Key = None) -> Response:
        service = request.app.state.service
        ask = batches.Ask(caller=caller.id, resource=resource, body=await request.body(), key=key)
        now = service.clock.now()
        done = await run_in_threadpool(batches.answer, service.store, ask, most, now)
        request.state.audit = {
            "resource": resource,
            "successful": done.successful,
            "failed": done.failed,
            "is_replayed": done.is_replayed,
        }
        if not done.is_replayed:
            service.counters.items(resource, done.successful, done.failed)
        headers = {"Idempotent-Replayed": "true"} if done.is_replayed else None
        return Response(done.body, media_type="application/json", headers=headers)

    push.__doc__ = (
        f"Create, update and delete {resource}. Each item is judged by itself; what is accepted is "
        "on the disk before the answer, and comes to the warehouse with the next load of `intake`."
    )
    return push


def _body(resource: str, most: int) -> dict[str, Any]:
    """Return the request body's declaration.

    An item that does not fit gets a result that says so, so any value may stand in the list; what
    an item should look like is told beside it.
    """
    model = RESOURCES[resource]
    item = {
        "title": f"{model.__name__}Item",
        "type": "object",
        "required": ["id", "method"],
        "properties": {
            "id": {"type": "integer", "minimum": 1},
            "method": {"enum": list(METHODS)},
            "data": {"type": "object", "properties": model.model_json_schema()["properties"]},
        },
    }
    items = {"type": "array", "minItems": 1, "maxItems": most, "items": {"anyOf": [item, {}]}}
    schema = {
        "type": "object",
        "required": ["items"],
        "additionalProperties": False,
        "properties": {"items": items},
    }
    return {"required": True, "content": {"application/json": {"schema": schema}}}
