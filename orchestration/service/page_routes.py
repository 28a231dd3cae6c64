"""The page: a person sees at a glance whether their data is all right, and can act on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from jinja2 import Environment, FileSystemLoader
from starlette.responses import FileResponse, RedirectResponse

from orchestration import quarantine_read
from orchestration.service import page_content, page_words, runs_read, sessions
from orchestration.service.guard import WITH_INLINE_STYLE, WITH_SCRIPTS
from orchestration.service.page_access import Visitor  # noqa: TC001  FastAPI reads the annotations
from orchestration.service.problems import Refused

if TYPE_CHECKING:
    from datetime import datetime

    from orchestration.service.service import Service
    from orchestration.service.tokens import Caller

HERE: Final = Path(__file__).parent
STATIC: Final = {
    "tidemill.css": "text/css; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
ROWS: Final = 50
"""Rows on a page of the quarantine, runs on a page of runs."""
TEMPLATES: Final = Environment(
    loader=FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True
)
TEMPLATES.filters.update(page_words.FILTERS)

routes = APIRouter(include_in_schema=False)


def page(
    request: Request, name: str, caller: Caller | None, status: int = 200, **content: Any
) -> Response:
    """Return a page."""
    service: Service = request.app.state.service
    now = service.clock.now()
    common: dict[str, Any] = {
        "path": request.url.path,
        "caller": caller,
        "can_run": caller is not None and "run" in caller.scopes,
        "is_open": service.binding.is_open,
        "form": sessions.form_token(service.secret, caller.id) if caller else "",
        "now": now,
        "ago": lambda value: page_words.ago(value, now),
    }
    text = TEMPLATES.get_template(f"{name}.html.j2").render(common | content)
    return Response(text, status, media_type="text/html; charset=utf-8")


@routes.get("/")
def overview(request: Request, caller: Visitor) -> Response:
    """Show whether all is well."""
    service: Service = request.app.state.service
    content = page_content.overview(service, _now(request))
    scheduling = request.app.state.scheduling
    is_scheduling = scheduling is not None and scheduling.is_at_work
    return page(request, "overview", caller, is_scheduling=is_scheduling, **content)


@routes.get("/runs")
def runs(
    request: Request, caller: Visitor, before: Annotated[str | None, Query(max_length=40)] = None
) -> Response:
    """Show all runs."""
    service: Service = request.app.state.service
    found = runs_read.listed(service.ledger, limit=ROWS + 1, job=None, status=None, before=before)
    older = found[ROWS - 1]["id"] if len(found) > ROWS else None
    return page(request, "runs", caller, runs=found[:ROWS], older=older)


@routes.get("/runs/{run_id}")
def run(request: Request, caller: Visitor, run_id: str) -> Response:
    """Show a run."""
    service: Service = request.app.state.service
    return page(request, "run", caller, **page_content.run(service, run_id, _now(request)))


@routes.get("/runs/{run_id}/live")
def live(request: Request, caller: Visitor, run_id: str) -> Response:
    """Follow a run, for the page's own script."""
    del caller
    service: Service = request.app.state.service
    runs_read.one(service.ledger, run_id)
    return service.streams.response(service, run_id)


@routes.get("/runs/{run_id}/report")
def report_of(request: Request, caller: Visitor, run_id: str) -> Response:
    """Show a run's report."""
    del caller
    service: Service = request.app.state.service
    return _document(
        service.settings.reports / f"{runs_read.one(service.ledger, run_id)['id']}.html"
    )


@routes.get("/report")
def report(request: Request, caller: Visitor) -> Response:
    """Show the newest report."""
    del caller
    return _document(request.app.state.service.settings.var / "report.html")


@routes.get("/dbt")
def dbt_docs(request: Request, caller: Visitor) -> Response:
    """Show the dbt project's docs, kept apart from this site by a sandbox."""
    del caller
    path = request.app.state.service.settings.var / "docs" / "static_index.html"
    return _document(path, policy=WITH_SCRIPTS, hint="`make docs` builds them.")


def _document(
    path: Path, policy: str = WITH_INLINE_STYLE, hint: str = "A run writes it."
) -> Response:
    if not path.exists():
        raise Refused(404, f"This page does not exist yet. {hint}")
    headers = {"Content-Security-Policy": policy}
    return FileResponse(path, media_type="text/html; charset=utf-8", headers=headers)


@routes.get("/quarantine")
def quarantine(request: Request, caller: Visitor) -> Response:
    """Show what is in the quarantine, by reason."""
    found, _ = page_content.from_marts(request.app.state.service)
    return page(request, "quarantine", caller, reasons=found)


@routes.get("/quarantine/{table}")
def quarantined(
    request: Request,
    caller: Visitor,
    table: str,
    reasons: Annotated[str | None, Query(max_length=1000)] = None,
    number: Annotated[int, Query(alias="page", ge=1, le=1_000_000)] = 1,
) -> Response:
    """Show rows of a table in the quarantine."""
    service: Service = request.app.state.service
    with service.published.connect() as connection:
        columns, rows, total = quarantine_read.rows(
            connection, table, reason=reasons, limit=ROWS, offset=(number - 1) * ROWS
        )
    return page(
        request,
        "quarantined",
        caller,
        table=table,
        reasons=reasons,
        columns=columns,
        rows=rows,
        total=total,
        number=number,
        pages=max(1, -(-total // ROWS)),
    )


@routes.get("/docs")
def docs(request: Request, caller: Visitor) -> Response:
    """Show the OpenAPI document for people."""
    from orchestration.service import docs_content

    return page(request, "docs", caller, tags=docs_content.tags(request.app.openapi()))


@routes.get("/static/{name}")
def static(name: str) -> Response:
    """Give the style sheet, the script and the icon."""
    if name not in STATIC:
        raise Refused(404, "There is no such file.")
    headers = {"Cache-Control": "public, max-age=300"}
    return FileResponse(HERE / "static" / name, media_type=STATIC[name], headers=headers)


@routes.get("/favicon.ico")
def icon() -> Response:
    """Give the icon to those who guess its place."""
    return RedirectResponse("/static/icon.svg", 308)


def _now(request: Request) -> datetime:
    found: datetime = request.app.state.service.clock.now()
    return found
