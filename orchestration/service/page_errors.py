"""What goes wrong, told as a page to those who look at pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from orchestration.service import problems
from orchestration.service.page_access import SignInNeeded
from orchestration.service.page_actions import on_sign_in_needed
from orchestration.service.page_routes import page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    Handler = Callable[[Request, Exception], Awaitable[Response]]


def register(app: FastAPI) -> None:
    """Tell the application how each kind of error is answered."""
    handlers: dict[Any, Handler] = {
        **problems.HANDLERS,
        RequestValidationError: problems.on_invalid,
        HTTPException: problems.on_http,
        Exception: problems.on_unexpected,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, _for_people_too(handler))
    app.add_exception_handler(SignInNeeded, _for_people_too(on_sign_in_needed))


def _for_people_too(handler: Handler) -> Handler:
    async def answer(request: Request, error: Exception) -> Response:
        told = await handler(request, error)
        if told.media_type != problems.MEDIA_TYPE or not wants_page(request):
            return told
        problem = orjson.loads(told.body)
        caller = getattr(request.state, "caller", None)
        title, detail = problem["title"], problem["detail"]
        return page(request, "problem", caller, told.status_code, title=title, detail=detail)

    return answer


def wants_page(request: Request) -> bool:
    """Tell whether a browser asks for a page, and no program for an answer."""
    accepts = request.headers.get("accept", "")
    return "text/html" in accepts and not request.url.path.startswith("/api/")
