"""What a person does on the page: sign in and out; start, resume, cancel; replay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from orchestration import jobs
from orchestration.errors import unknown
from orchestration.service import runs_routes, sessions, tokens
from orchestration.service.access import refuse_foreign
from orchestration.service.page_access import Actor, Fields  # noqa: TC001  FastAPI reads them
from orchestration.service.page_routes import page
from orchestration.service.problems import answer

if TYPE_CHECKING:
    from orchestration.service.service import Service

routes = APIRouter(include_in_schema=False)
SEE_OTHER = 303


@routes.get("/sign-in")
def sign_in_form(request: Request) -> Response:
    """Ask for a token."""
    return page(request, "sign_in", None, error="")


@routes.post("/sign-in")
def sign_in(request: Request, sent: Fields) -> Response:
    """Take a token and remember who came."""
    service: Service = request.app.state.service
    refuse_foreign(request)
    service.throttle.take(f"address {request.client.host if request.client else ''}")
    now = service.clock.now()
    caller = tokens.recognise(service.store, sent.get("token", "").strip(), now=now)
    if caller is None:
        error = "This token is not valid: unknown, revoked or expired."
        return page(request, "sign_in", None, 401, error=error)
    request.state.caller = caller
    home = RedirectResponse("/", SEE_OTHER)
    # a proxy says so; who says it falsely harms nobody but their own cookie
    is_encrypted = "https" in {request.url.scheme, request.headers.get("x-forwarded-proto")}
    _set_cookie(home, sessions.sign_in(service.secret, caller.id, now), is_encrypted)
    return home


def _set_cookie(home: Response, value: str, is_encrypted: bool) -> None:
    options: dict[str, Any] = {"httponly": True, "samesite": "strict", "secure": is_encrypted}
    home.set_cookie(sessions.COOKIE, value, max_age=sessions.LIFETIME, **options)


@routes.post("/sign-out")
def sign_out(request: Request) -> Response:
    """Forget who came."""
    refuse_foreign(request)
    door = RedirectResponse("/sign-in", SEE_OTHER)
    door.delete_cookie(sessions.COOKIE, httponly=True, samesite="strict")
    return door


@routes.post("/jobs/{job}/run")
def run_job(request: Request, _: Actor, job: str) -> Response:
    """Start a job and show its run."""
    service: Service = request.app.state.service
    if job not in jobs.JOBS:
        raise unknown("job", job[:100], jobs.JOBS)
    return _shown(request, service.launcher.start(service.ledger, "run", job))


@routes.post("/runs/{run_id}/resume")
def resume(request: Request, _: Actor, run_id: str) -> Response:
    """Go on with a run and show it."""
    return _shown(request, runs_routes.resume(request.app.state.service, run_id))


@routes.post("/runs/{run_id}/cancel")
def cancel(request: Request, _: Actor, run_id: str) -> Response:
    """Ask a run to stop and show it."""
    runs_routes.cancel(request.app.state.service, run_id)
    return _shown(request, run_id)


@routes.post("/quarantine/replay")
def replay(request: Request, _: Actor) -> Response:
    """Judge all rows anew and show the run that does it."""
    service: Service = request.app.state.service
    return _shown(request, service.launcher.start(service.ledger, "run", "replay"))


def _shown(request: Request, run_id: str) -> Response:
    request.state.audit = {"run_id": run_id}
    return RedirectResponse(f"/runs/{run_id}", SEE_OTHER)


async def on_sign_in_needed(request: Request, error: Exception) -> Response:
    """Lead somebody who is not signed in to the sign-in."""
    if request.method != "GET":
        return answer(403, "Sign in first.")
    del error
    return RedirectResponse("/sign-in", SEE_OTHER)
