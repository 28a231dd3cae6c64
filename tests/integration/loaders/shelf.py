"""A web API over rows in memory, over real HTTP, that fails in every way when it is told to."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from tests.integration.loaders.served import Served

if TYPE_CHECKING:
    from collections.abc import Callable


def row(number: int, **more: Any) -> dict[str, Any]:
    """A row of the shelf; a higher number is a later one."""
    moment = f"2026-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
    return {"id": number, "name": f"row {number}", "updated_at": moment, **more}


@dataclass
class Shelf(Served):
    """Rows in the order of their last change, the faults to come, and what was asked."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    fault: Callable[[int], str | None] = lambda _number: None
    """Says for the n-th request (from 1) what goes wrong, if anything."""
    before: Callable[[int, Shelf], object] = lambda _number, _shelf: None
    """Changes the rows before the n-th request is answered."""
    retry_after: str = "0.05"
    delay: float = 0.0
    """Seconds that an answer takes."""
    calls_a_second: float | None = None
    """More calls than this are told to slow down."""
    asked: list[tuple[float, str]] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    most_in_flight: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    full_at: float = 0.0

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Handler", (_Handler,), {"shelf": self})

    def enter(self, path: str) -> str | None:
        """Note a request; return what goes wrong with it."""
        with self.lock:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            self.asked.append((time.monotonic(), path))
            number = len(self.asked)
            self.before(number, self)
            fault = self.fault(number)
            return fault or ("429" if self._is_too_fast() else None)

    def _is_too_fast(self) -> bool:
        if self.calls_a_second is None:
            return False
        now, interval = time.monotonic(), 1 / self.calls_a_second
        full_at = max(self.full_at, now) + interval
        if full_at - now > 2 * interval:
            return True
        self.full_at = full_at
        return False

    def answer(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        """Answer a request for rows by cursor, by page, of a parent, or of parents."""
        with self.lock:
            rows = [one for one in self.rows if one["updated_at"] >= query.get("since", "")]
        if path == "/pages":
            page, size = int(query["page"]), int(query["page_size"])
            found = rows[(page - 1) * size : page * size]
            return {"items": found, "total": len(rows), "has_next": page * size < len(rows)}
        if path.startswith("/parents/"):
            parent = int(path.split("/")[2])
            return {"items": [{"id": parent * 10 + n, "parent_id": parent} for n in range(3)]}
        begin, size = int(query.get("cursor", 0)), int(query.get("limit", 10))
        following = begin + size if begin + size < len(rows) else None
        return {"items": rows[begin : begin + size], "next_cursor": following}


class _Handler(BaseHTTPRequestHandler):
    shelf: Shelf
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer({name: str(value) for name, value in body.items()})

    def do_GET(self) -> None:
        self._answer({})

    def _answer(self, body: dict[str, str]) -> None:
        parts = urlsplit(self.path)
        fault = self.shelf.enter(self.path)
        try:
            time.sleep(self.shelf.delay)
            if fault in {"429", "500", "404", "401"}:
                self._send(int(fault), b'{"error": "as told"}')
            elif fault == "hang":
                time.sleep(1.0)
                self.close_connection = True
            else:
                found = self.shelf.answer(parts.path, {**dict(parse_qsl(parts.query)), **body})
                self._send(200, json.dumps(found).encode(), fault)
        finally:
            with self.shelf.lock:
                self.shelf.in_flight -= 1

    def _send(self, code: int, body: bytes, fault: str | None = None) -> None:
        self.shelf.statuses[str(code)] += 1
        if fault == "truncated":
            body = body[: len(body) // 2]
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if code == 429 and self.shelf.retry_after:
            self.send_header("Retry-After", self.shelf.retry_after)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault == "cut" else body)
        self.close_connection = fault == "cut"

    def log_message(self, *_: object) -> None:
        """Say nothing."""
