"""What stands before every request: host, body size, time, headers, counting, the audit line."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

from orchestration.service.problems import Refused, answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from orchestration.service.service import Service

HEADERS: Final = (
    (
        b"content-security-policy",
        (
            b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
            b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # no-referrer would take the origin from our own forms too
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
WITH_INLINE_STYLE: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""For a run's report: one file with its style inside, and nothing that runs."""
WITH_SCRIPTS: Final = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'unsafe-inline'; img-src data:; font-src data:; frame-ancestors 'none'"
)
"""For the dbt docs: one file with its scripts inside; the sandbox takes this site from them."""
LARGE: Final = "/api/v1/batch/async"
STREAMS: Final = ("/export", "/events", "/live")


class Guard:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app = app
        self.service = service
        self.hosts = _hosts(service)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, within its limits."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        visit = _Visit(self.service, scope, send)
        try:
            await self._within(scope, receive, visit)
        finally:
            visit.end()

    async def _within(self, scope: Scope, receive: Receive, visit: _Visit) -> None:
        limits = self.service.limits
        is_large = scope["path"] == LARGE
        most = limits.large_body_bytes if is_large else limits.body_bytes
        patience = limits.idle_seconds if is_large else limits.request_seconds
        try:
            self._check(scope, most)
            bounded = _Bounded(receive, most, patience)
            deadline = asyncio.timeout(None if is_large else limits.request_seconds)
            visit.deadline = deadline
            async with deadline:
                await self.app(scope, bounded, visit.send)
        except Refused as refused:
            await self._refuse(scope, receive, visit, refused)
        except TimeoutError:
            late = Refused(503, f"No answer within {limits.request_seconds:g} s. Ask for less.")
            await self._refuse(scope, receive, visit, late)

    async def _refuse(
        self, scope: Scope, receive: Receive, visit: _Visit, refused: Refused
    ) -> None:
        if visit.status:
            raise refused  # too late for an answer: the connection is cut, so the caller knows
        headers = {**refused.headers, "Connection": "close"}
        await answer(refused.status, refused.detail, headers)(scope, receive, visit.send)

    def _check(self, scope: Scope, most: int) -> None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self.hosts and _bare(host) not in self.hosts:
            raise Refused(
                421, f"This service is not '{host}'. Call it by {', '.join(sorted(self.hosts))}."
            )
        if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
            raise Refused(422, "An address must not contain the character NUL.")
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > most:
            raise _too_large(most)


def _hosts(service: Service) -> frozenset[str]:
    """Return the names that callers may use: a page of elsewhere must not reach us by its own."""
    binding = service.binding
    if not binding.is_loopback:
        return frozenset(binding.hosts)
    return frozenset({"127.0.0.1", "localhost", "[::1]", *binding.hosts})


def _bare(host: str) -> str:
    return host if host.endswith("]") else host.rpartition(":")[0] or host


def _too_large(most: int) -> Refused:
    return Refused(413, f"The body is larger than {most:,} bytes. Send less at once.")


class _Bounded:
    """The request's body, up to so many bytes, none of them longer in coming than allowed."""

    def __init__(self, receive: Receive, most: int, patience: float) -> None:
        self.receive = receive
        self.most = most
        self.patience = patience
        self.count = 0
        self.is_whole = False

    async def __call__(self) -> Message:
        if self.is_whole:
            return await self.receive()
        try:
            async with asyncio.timeout(self.patience):
                message = await self.receive()
        except TimeoutError:
            raise Refused(408, f"The body stood still for {self.patience:g} s.") from None
        self.count += len(message.get("body", b""))
        self.is_whole = message["type"] != "http.request" or not message.get("more_body", False)
        if self.count > self.most:
            raise _too_large(self.most)
        return message


class _Visit:
    """One request under way: what was answered, and how long it took."""

    def __init__(self, service: Service, scope: Scope, send: Send) -> None:
        self.service = service
        self.scope = scope
        self._send = send
        self.status = 0
        self.deadline: asyncio.Timeout | None = None
        self.begun = time.perf_counter()
        scope.setdefault("state", {})

    async def send(self, message: Message) -> None:
        """Add the headers that every answer has, and note the status."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._audit()
            message["headers"] = [*message["headers"], *self._missing(message["headers"])]
            self._lift_deadline()
        await self._send(message)

    def _missing(self, headers: Any) -> list[tuple[bytes, bytes]]:
        given = {name.lower() for name, _ in headers}
        own = [] if b"cache-control" in given else [(b"cache-control", b"no-store")]
        return [*own, *(pair for pair in HEADERS if pair[0] not in given)]

    def _lift_deadline(self) -> None:
        """Let a stream run: it has begun in time, and has a limit of its own."""
        if self.deadline is not None and self.scope["path"].endswith(STREAMS):
            with contextlib.suppress(RuntimeError):
                self.deadline.reschedule(None)

    def end(self) -> None:
        """Count the request."""
        seconds = time.perf_counter() - self.begun
        route = self.scope.get("route")
        path = getattr(route, "path", "") or "none"
        self.service.counters.request(self.scope["method"], path, self.status, seconds)
        if self.status == 0:
            self._audit()

    def _audit(self) -> None:
        """Write the line of a request that changes something, before anybody hears the answer."""
        if self.scope["method"] not in {"GET", "HEAD", "OPTIONS"}:
            seconds = time.perf_counter() - self.begun
            self.service.audit.request(self.scope, self.status, seconds)
