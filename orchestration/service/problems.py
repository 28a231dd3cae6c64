"""What goes wrong over HTTP, as problem details (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from loaders.errors import LoaderError
from orchestration.errors import AlreadyRunning, NameUnknown, OrchestrationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

MEDIA_TYPE: Final = "application/problem+json"


class Problem(BaseModel):
    """What went wrong, and what to do about it."""

    title: str = Field(description="What the status means.")
    status: int
    detail: str = Field(description="What failed, what was found, and what to do.")


class Refused(Exception):
    """A request that cannot be answered as asked; the message is shown to the caller."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


def answer(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer that tells a problem."""
    content = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(
        orjson.dumps(content), status, headers=dict(headers or {}), media_type=MEDIA_TYPE
    )


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return FastAPI's declaration of the problems that a route may answer with."""
    return {
        status: {"model": Problem, "description": HTTPStatus(status).phrase} for status in statuses
    }


async def on_refused(_: Request, error: Exception) -> Response:
    """Answer a request that was refused."""
    assert isinstance(error, Refused)  # noqa: S101  registered for this type only
    return answer(error.status, error.detail, error.headers)


async def on_invalid(_: Request, error: Exception) -> Response:
    """Answer a request whose parameters or body do not fit what is declared."""
    found: Any = error.errors() if isinstance(error, RequestValidationError) else []
    told = "; ".join(f"{_place(entry['loc'])}: {entry['msg']}" for entry in found[:5])
    return answer(HTTPStatus.UNPROCESSABLE_ENTITY, f"The request does not fit: {told}.")


def _place(location: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in location[1:] or location)


async def on_http(_: Request, error: Exception) -> Response:
    """Answer what the router itself refuses: no such path, no such method."""
    status = int(getattr(error, "status_code", 500))
    detail = f"{getattr(error, 'detail', '') or HTTPStatus(status).phrase}. See /openapi.json."
    return answer(status, detail, getattr(error, "headers", None))


async def on_known(_: Request, error: Exception) -> Response:
    """Answer an error of ours that says itself what to do."""
    if isinstance(error, NameUnknown):
        return answer(HTTPStatus.NOT_FOUND, str(error))
    if isinstance(error, AlreadyRunning):
        return answer(HTTPStatus.CONFLICT, str(error))
    return answer(HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"Retry-After": "5"})


async def on_gone(_: Request, error: Exception) -> Response:
    """Answer a caller who hung up before the body's end, and so will not hear it."""
    del error
    return answer(HTTPStatus.BAD_REQUEST, "The body broke off. Nothing of it was taken.")


HANDLERS: Final = {
    Refused: on_refused,
    ClientDisconnect: on_gone,
    OrchestrationError: on_known,
    LoaderError: on_known,
}


async def on_unexpected(_: Request, error: Exception) -> Response:
    """Answer what nobody foresaw; the server's log has the traceback, the caller does not."""
    del error
    return answer(500, "Something failed here that should not. The server's log has more.")
