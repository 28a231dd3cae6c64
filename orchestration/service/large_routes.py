"""POST /api/v1/batch/async: any number of items, kept on disk while they arrive."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Final

import orjson
import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from loaders.intake.resources import RESOURCES
from orchestration.service import batches, kept_answers, spool
from orchestration.service.access import Writer  # noqa: TC001  FastAPI reads the annotations
from orchestration.service.intake_routes import Key  # noqa: TC001
from orchestration.service.kept_answers import Asked
from orchestration.service.large import OPEN
from orchestration.service.large_status import PLACE, links
from orchestration.service.problems import Refused, declared
from orchestration.service.splitting import Document, Lines
from orchestration.service.store import BATCHES

if TYPE_CHECKING:
    from orchestration.service.service import Service
    from orchestration.service.splitting import Splitter
    from orchestration.service.tokens import Caller

PIECE: Final = 512 * 1024
"""Bytes that are gathered before they are written."""

routes = APIRouter(tags=["large batches in"])


class Accepted(BaseModel):
    """A large batch that was taken."""

    job_id: str
    status_url: str
    results_url: str
    total: int
    """Items in it."""


_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "application/x-ndjson": {"schema": {"type": "string"}},
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["items"],
                "additionalProperties": False,
                "properties": {
                    "resource": {"enum": list(RESOURCES)},
                    "items": {"type": "array", "minItems": 1, "items": {}},
                },
            }
        },
    },
}


@routes.post(
    f"{PLACE}/async",
    status_code=202,
    name="Push a large batch",
    response_model=Accepted,
    responses=declared(401, 403, 408, 413, 415, 422, 429, 503, 507),
    openapi_extra={"requestBody": _BODY},
)
async def push_large(
    request: Request, caller: Writer, resource: str | None = None, key: Key = None
) -> Response:
    """Take any number of items, as NDJSON (one on each line) or JSON, without holding them.

    The resource is named in the query, or in the JSON document beside `items`. What is answered
    with 202 is on the disk and will be applied, whatever happens to the server.
    """
    service: Service = request.app.state.service
    if resource is not None and resource not in RESOURCES:
        raise _unknown(resource)
    await run_in_threadpool(_refuse_many, service)
    batch_id = batches.new_id(service.clock.now())
    taken = spool.Spool(service.worker.folder, batch_id, _splitter(request, service))
    try:
        await _receive(request, taken)
        name = resource or taken.splitter.resource
        accepted = await run_in_threadpool(_accept, service, caller, batch_id, taken, name, key)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise Refused(507, "The disk is full. Nothing of the batch was taken.") from error
        raise
    finally:
        taken.drop()
    request.state.audit = {"resource": name, "job_id": accepted["job_id"], "items": taken.count}
    service.worker.wake()
    headers = {"Location": accepted["status_url"]}
    return Response(orjson.dumps(accepted), 202, headers, "application/json")


def _refuse_many(service: Service) -> None:
    waiting = sa.select(sa.func.count()).where(BATCHES.c.status.in_(OPEN))
    with service.store.reading() as connection:
        count = connection.execute(waiting).scalar() or 0
    if count >= service.limits.large_batches:
        raise Refused(
            429, f"{count} large batches wait already. Ask again later.", {"Retry-After": "30"}
        )


def _splitter(request: Request, service: Service) -> Splitter:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in {"application/x-ndjson", "application/ndjson", "application/jsonl"}:
        return Lines(service.limits.item_bytes)
    if kind == "application/json":
        return Document(service.limits.item_bytes)
    raise Refused(415, f"Cannot read '{kind}'. Send application/x-ndjson or application/json.")


async def _receive(request: Request, taken: spool.Spool) -> None:
    gathered = bytearray()
    async for piece in request.stream():
        gathered += piece
        if len(gathered) >= PIECE:
            await run_in_threadpool(taken.write, bytes(gathered))
            gathered.clear()
    await run_in_threadpool(taken.write, bytes(gathered))
    await run_in_threadpool(taken.finish)


def _unknown(resource: str | None) -> Refused:
    known = ", ".join(RESOURCES)
    found = f"No resource named '{resource[:80]}'" if resource else "The resource is not named"
    return Refused(422, f"{found}. Name one by ?resource=…: {known}.")


def _accept(
    service: Service,
    caller: Caller,
    batch_id: str,
    taken: spool.Spool,
    resource: str | None,
    key: str | None,
) -> dict[str, Any]:
    if resource not in RESOURCES:
        raise _unknown(resource)
    if taken.count == 0:
        raise Refused(422, "There is no item in the body.")
    now = service.clock.now()
    answer = links(batch_id) | {"total": taken.count}
    values = {"id": batch_id, "caller": caller.id, "resource": resource, "total": taken.count}
    asked = Asked(caller=caller.id, path="async", key=key, digest=taken.digest) if key else None
    with service.store.writing() as connection:
        if asked and (found := kept_answers.found(connection, asked)):
            return dict(orjson.loads(found))
        taken.is_kept = True  # from here on the batch is in the store, or will be any moment
        row = {**values, "status": "pending", "created_at": now}
        connection.execute(BATCHES.insert().values(**row))
        if asked:
            kept_answers.keep(connection, asked, 202, orjson.dumps(answer), now)
    return answer
