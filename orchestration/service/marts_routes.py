"""GET /api/v1/<mart> and …/export: routes for each served model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import anyio
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from orchestration.service import (
    marts_declared,
    pages,
    postgres_export,
    published,
    query,
    statements,
)
from orchestration.service.access import Reader  # noqa: TC001  FastAPI reads the annotations
from orchestration.service.export import FORMATS, Export
from orchestration.service.export_response import ExportResponse
from orchestration.service.problems import Refused, declared

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from loaders.connection import Connection
    from orchestration.service.catalog import Mart
    from orchestration.service.query import Ask
    from orchestration.service.service import Service

FRESH = {"Cache-Control": "private, no-cache"}
"""May be kept, and must be asked after each time: the ETag makes that cheap."""


def router(marts: Mapping[str, Mart]) -> APIRouter:
    """Return the routes by which marts go out."""
    routes = APIRouter(tags=["marts out"])
    for mart in marts.values():
        page = {"content": {"application/json": {"schema": marts_declared.page_schema(mart)}}}
        routes.add_api_route(
            f"/api/v1/{mart.name}",
            _listing(mart),
            methods=["GET"],
            name=f"List {mart.name}",
            operation_id=f"list_{mart.name}",
            responses={200: page, 304: {"description": "As you have it."}, **declared(*PROBLEMS)},
            openapi_extra={"parameters": _parameters(mart, marts_declared.paging())},
        )
        routes.add_api_route(
            f"/api/v1/{mart.name}/export",
            _exporting(mart),
            methods=["GET"],
            name=f"Export {mart.name}",
            operation_id=f"export_{mart.name}",
            response_class=Response,
            responses={200: {"content": _media_types()}, **declared(*PROBLEMS)},
            openapi_extra={"parameters": _parameters(mart, [])},
        )
    return routes


PROBLEMS = (401, 403, 422, 429, 503)


def _parameters(mart: Mart, paging: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*paging, marts_declared.sorting(mart), *marts_declared.filtering(mart)]


def _media_types() -> dict[str, Any]:
    return {form.media_type.partition(";")[0]: {} for form in FORMATS.values()}


def _listing(mart: Mart) -> Callable[..., Any]:
    async def listing(request: Request, _: Reader) -> Response:
        service: Service = request.app.state.service
        pairs = request.query_params.multi_items()
        ask = query.ask(mart, pairs)
        version = service.published.version()
        etag = pages.tag(version, mart.name, pairs) if version else None
        wanted = request.headers.get("if-none-match")
        if etag and pages.is_known(etag, wanted):
            return Response(status_code=304, headers={"ETag": etag, **FRESH})
        body = service.pages.kept(etag) or await _read(service, ask, version)
        service.pages.keep(etag, body)
        etag = etag or pages.tag_of(body)
        if pages.is_known(etag, wanted):
            return Response(status_code=304, headers={"ETag": etag, **FRESH})
        return Response(body, media_type="application/json", headers={"ETag": etag, **FRESH})

    listing.__doc__ = mart.description
    return listing


async def _read(service: Service, ask: Ask, version: str | None) -> bytes:
    """Read a page in a thread; one that takes too long is interrupted there."""
    opened: list[Connection] = []

    def work() -> bytes:
        with service.published.connect() as connection, published.readable(ask.mart.model):
            opened.append(connection)
            return service.pages.answer(connection, ask, version)

    try:
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
    except anyio.get_cancelled_exc_class():
        for connection in opened:
            interrupt = getattr(connection.raw, "interrupt", None) or connection.raw.cancel
            interrupt()
        raise


def _exporting(mart: Mart) -> Callable[..., Any]:
    async def exporting(
        request: Request,
        _: Reader,
        format: Literal["csv", "ndjson", "parquet", "arrow"] = "csv",  # noqa: A002  the parameter's name
    ) -> Response:
        service: Service = request.app.state.service
        pairs = [pair for pair in request.query_params.multi_items() if pair[0] != "format"]
        for name in ("page", "page_size", "cursor"):
            if name in dict(pairs):
                raise Refused(422, f"{name}: an export has no pages.")
        ask = query.ask(mart, pairs)
        is_zipped = FORMATS[format].shrinks and _takes_gzip(request)
        statement = statements.export(ask, is_sorted=bool(dict(pairs).get("sort")))

        def make() -> Export:
            place = service.published
            if place.target.kind == "duckdb":
                return Export(place.cursor(), statement, format, place.folder, gzip=is_zipped)
            return postgres_export.begin(place, mart, statement, format, gzip=is_zipped)

        export = await run_in_threadpool(service.exports.start, make)
        return await _begun(service, export, _headers(mart, format, is_zipped=is_zipped))

    exporting.__doc__ = f"All of it, as a stream. {mart.description}"
    return exporting


async def _begun(service: Service, export: Export, headers: Mapping[str, str]) -> Response:
    try:
        first = await run_in_threadpool(export.read)
    except BaseException:
        await run_in_threadpool(service.exports.finish, export)
        raise
    return ExportResponse(
        service.exports, export, first, seconds=service.limits.export_seconds, headers=headers
    )


def _headers(mart: Mart, format: str, *, is_zipped: bool) -> dict[str, str]:  # noqa: A002  as above
    headers = {
        "Content-Disposition": f'attachment; filename="{mart.name}.{format}"',
        "Vary": "Accept-Encoding",
    }
    return headers | ({"Content-Encoding": "gzip"} if is_zipped else {})


def _takes_gzip(request: Request) -> bool:
    given = request.headers.get("accept-encoding", "").replace(" ", "").lower().split(",")
    return any(one == "gzip" or (one.startswith("gzip;q=") and one != "gzip;q=0") for one in given)
