"""Who may do what: bearer tokens for programs, a signed session for the page."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from orchestration.service import tokens
from orchestration.service.problems import Refused
from orchestration.service.tokens import SCOPES, Caller

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from orchestration.clock import Clock
    from orchestration.service.store import Store

OPEN: Final = Caller(id="loopback", name="this machine", scopes=frozenset(SCOPES))
REMEMBERED: Final = 1.0
"""Seconds for which a token is not looked up again; a revoked one works no longer than that."""
MOST: Final = 10_000

BEARER: Final = HTTPBearer(
    auto_error=False, description="A token made by `tidemill token make`; see docs/security.md."
)


class Doorkeeper:
    """Recognises callers, and remembers them for a second."""

    def __init__(self, store: Store, clock: Clock, *, is_open: bool) -> None:
        self.store = store
        self.clock = clock
        self.is_open = is_open
        self._seen: dict[str, tuple[float, Caller | None]] = {}
        self._lock = threading.Lock()

    def caller(self, token: str | None, *, is_forwarded: bool) -> Caller:
        """Return who asks.

        Raises:
            Refused: 401, when a token is needed or the one given is not valid.
        """
        if token is None:
            if self.is_open and not is_forwarded:
                return OPEN
            raise unauthorized("No token. Send 'Authorization: Bearer <token>'.")
        found = self._recognised(token)
        if found is None:
            raise unauthorized("The token is not valid: unknown, revoked or expired.")
        return found

    def is_remembered(self, token: str | None) -> bool:
        """Tell whether this caller is told at once, without a look into the store."""
        kept = self._seen.get(token) if token else (self.clock.monotonic(), None)
        return kept is not None and self.clock.monotonic() - kept[0] < REMEMBERED / 2

    def _recognised(self, token: str) -> Caller | None:
        now = self.clock.monotonic()
        kept = self._seen.get(token)
        if kept and now - kept[0] < REMEMBERED:
            return kept[1]
        found = tokens.recognise(self.store, token, now=self.clock.now())
        if found is not None:
            with self._lock:
                if len(self._seen) > MOST:
                    self._seen.clear()
                self._seen[token] = (now, found)
        return found


def unauthorized(detail: str) -> Refused:
    """Return the refusal of a caller who is not known."""
    return Refused(
        401,
        f"{detail} `tidemill token make` makes one.",
        {"WWW-Authenticate": 'Bearer realm="tidemill"'},
    )


def needs(scope: str) -> Callable[..., Awaitable[Caller]]:
    """Return a dependency: the caller, who must have this scope."""

    async def check(
        request: Request,
        given: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
    ) -> Caller:
        token = given.credentials if given else None
        if request.app.state.service.doorkeeper.is_remembered(token):
            return permitted(request, token, scope)
        return await run_in_threadpool(permitted, request, token, scope)

    return check


def permitted(request: Any, token: str | None, scope: str) -> Caller:
    """Return the caller of a request, who must have this scope and not ask too often.

    Raises:
        Refused: 401, 403 or 429.
    """
    if token is None and request.headers.get("authorization"):
        raise unauthorized("The header Authorization is not 'Bearer <token>'.")
    service = request.app.state.service
    try:
        caller: Caller = service.doorkeeper.caller(token, is_forwarded=is_forwarded(request))
    except Refused:
        service.throttle.take(f"address {request.client.host if request.client else ''}")
        raise
    request.state.caller = caller
    if caller is OPEN and request.method not in {"GET", "HEAD"}:
        refuse_foreign(request)
    service.throttle.take(caller.id)
    if scope not in caller.scopes:
        has = ", ".join(sorted(caller.scopes))
        raise Refused(403, f"This needs the scope '{scope}'; the token '{caller.name}' has {has}.")
    return caller


def is_forwarded(request: Any) -> bool:
    """Tell whether a proxy passed the request on: then it does not come from this machine."""
    return "x-forwarded-for" in request.headers or "forwarded" in request.headers


def refuse_foreign(request: Any) -> None:
    """Refuse what a page of another site had a browser send.

    Raises:
        Refused: 403.
    """
    site = request.headers.get("sec-fetch-site", "none")
    origin = request.headers.get("origin")
    is_ours = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if site not in {"same-origin", "none"} or not is_ours:
        raise Refused(403, "This was sent by a page of another site.")


Reader = Annotated[Caller, Depends(needs("read"))]
Writer = Annotated[Caller, Depends(needs("write"))]
Runner = Annotated[Caller, Depends(needs("run"))]
