"""The FastAPI application: GET /users, GET /users/pages and the CRM."""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Header, HTTPException, Query, Request, Response

from demo.api.crm import MOST_ITEMS, Crm, KeyConflictError
from demo.api.faults import FaultSource
from demo.api.users import START, Listing, decode_cursor, encode_cursor, microseconds
from demo.tokens import API_TOKEN, CRM_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Limit = Annotated[int, Query(ge=1, le=1000)]
Page = Annotated[int, Query(ge=1)]


def create_app(directory: Path) -> FastAPI:
    """The API over a shop's directory."""
    app = FastAPI(title="Demo shop", openapi_url=None)
    faults = FaultSource(directory)
    app.get("/health")(health)
    _add_users(app, Listing(directory / "api.sqlite"), faults)
    _add_crm(app, Crm(directory / "crm.sqlite"), faults)
    return app


async def health() -> dict[str, str]:
    """Say that the shop is open."""
    return {"status": "ok"}


def _add_users(app: FastAPI, listing: Listing, faults: FaultSource) -> None:
    def enter(authorization: str | None) -> None:
        _authorize(authorization, API_TOKEN)
        if faults.is_api_throttled():
            raise _throttled(faults)

    @app.get("/users")
    async def users(
        updated_since: str | None = None,
        cursor: str | None = None,
        limit: Limit = 100,
        authorization: Annotated[str | None, Header()] = None,
    ) -> Response:
        enter(authorization)
        since = _asked(microseconds, updated_since)
        key = _asked(decode_cursor, cursor) if cursor else START
        found = listing.after(since, key, limit)
        next_cursor = encode_cursor(found.last) if found.last else None
        return _answer(found.bodies, {"next_cursor": next_cursor})

    @app.get("/users/pages")
    async def user_pages(
        updated_since: str | None = None,
        page: Page = 1,
        page_size: Limit = 100,
        authorization: Annotated[str | None, Header()] = None,
    ) -> Response:
        enter(authorization)
        bodies, total = listing.page(_asked(microseconds, updated_since), page, page_size)
        has_next = page * page_size < total
        rest = {"page": page, "page_size": page_size, "total": total, "has_next": has_next}
        return _answer(bodies, rest)


def _add_crm(app: FastAPI, crm: Crm, faults: FaultSource) -> None:
    @app.post("/crm/contacts/batch")
    async def push(
        request: Request,
        authorization: Annotated[str | None, Header()] = None,
        idempotency_key: Annotated[str | None, Header()] = None,
    ) -> Response:
        _authorize(authorization, CRM_TOKEN)
        fault = faults.crm_fault()
        if fault == "throttled":
            raise _throttled(faults)
        if fault == "before":
            raise HTTPException(503, "The CRM is busy. Try again.")
        answer = _apply(crm, idempotency_key, await request.body())
        if fault == "after":
            raise HTTPException(503, "The CRM lost its answer. Try again with the same key.")
        return Response(answer, media_type="application/json")

    @app.get("/crm/contacts")
    async def contacts(
        page: Page = 1,
        page_size: Limit = 100,
        authorization: Annotated[str | None, Header()] = None,
    ) -> dict[str, Any]:
        _authorize(authorization, CRM_TOKEN)
        return crm.contacts(page, page_size)


def _apply(crm: Crm, key: str | None, body: bytes) -> str:
    if not key:
        raise HTTPException(400, "The header Idempotency-Key is required.")
    try:
        items = json.loads(body)["items"]
    except (ValueError, KeyError, TypeError) as error:
        raise HTTPException(422, 'The body must be {"items": […]}.') from error
    if not isinstance(items, list) or len(items) > MOST_ITEMS:
        raise HTTPException(422, f"items must be a list of at most {MOST_ITEMS}.")
    try:
        return crm.apply(key, body, items)
    except KeyConflictError as error:
        raise HTTPException(422, f"Idempotency-Key '{key}' was used for another body.") from error


def _authorize(authorization: str | None, token: str) -> None:
    if not hmac.compare_digest((authorization or "").encode(), f"Bearer {token}".encode()):
        raise HTTPException(401, "The bearer token is wrong or missing.")


def _throttled(faults: FaultSource) -> HTTPException:
    wait = str(faults.faults().retry_after_seconds)
    return HTTPException(429, "Too many requests.", headers={"Retry-After": wait})


def _asked(read: Callable[[Any], Any], text: str | None) -> Any:
    try:
        return read(text)
    except ValueError as error:
        raise HTTPException(422, str(error)) from error


def _answer(bodies: list[str], rest: dict[str, Any]) -> Response:
    content = f'{{"items":[{",".join(bodies)}],{json.dumps(rest)[1:]}'
    return Response(content, media_type="application/json")
