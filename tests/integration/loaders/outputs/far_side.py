"""A far side that takes contacts over real HTTP, and fails in every way when it is told to."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tests.integration.loaders.served import Served

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "far-side-token"


@dataclass
class FarSide(Served):
    """Contacts by id; what was applied to each; and the faults to come."""

    fault: Callable[[int], str | None] = lambda _number: None
    """Says for the n-th request (from 1) what goes wrong, if anything."""
    honours_keys: bool = True
    creates_by_post: bool = False
    """Whether PUT is for what is there and POST for what is not."""
    refuses: Callable[[str, dict[str, Any]], bool] = lambda _key, _data: False
    hang: float = 0.5
    retry_after: str = "0.01"
    contacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    applied: dict[str, list[Any]] = field(default_factory=dict)
    """For each id, what was applied to it: its data, or None for a deletion."""
    answered: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Answers by idempotency key, with the digest of the body."""
    requests: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    started: list[float] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    wanted_in_flight: int = 0
    """A slow answer waits until so many were under way at once, for half a minute at most."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Handler", (_Handler,), {"far": self})

    def apply(self, key: str, body: bytes) -> bytes:
        """Apply a batch once, and answer a repeated one as before."""
        with self.lock:
            digest = sha256(body).hexdigest()
            if self.honours_keys and key in self.answered:
                known, answer = self.answered[key]
                assert known == digest, "the same idempotency key came with another body"
                return answer
            results = [self._item(item) for item in json.loads(body)["items"]]
            answer = json.dumps({"results": results}).encode()
            self.answered[key] = (digest, answer)
            return answer

    def _item(self, item: dict[str, Any]) -> dict[str, Any]:
        key, data = item["id"], item["data"]
        if item["method"] == "upsert" and self.refuses(key, data):
            error = f"{data.get('email')} is blocked"
            return {"id": key, "success": False, "status": 422, "error": error}
        if item["method"] == "delete":
            self.contacts.pop(key, None)
            self.applied.setdefault(key, []).append(None)
        else:
            self.contacts[key] = data
            self.applied.setdefault(key, []).append(data)
        return {"id": key, "success": True, "status": 200, "error": None}

    def applied_twice(self) -> list[str]:
        """Return the ids to which the same thing was applied twice in a row."""
        return [
            key
            for key, log in self.applied.items()
            if any(one == two for one, two in pairwise(log))
        ]


class _Handler(BaseHTTPRequestHandler):
    far: FarSide
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_PUT(self) -> None:
        """One item by its address: as a batch of one, answered by its own status."""
        self.do_POST()

    def do_DELETE(self) -> None:
        """One item by its address."""
        self.do_POST()

    def do_POST(self) -> None:
        """A batch."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._is_item:
            body = self._as_batch(body)
        far = self.far
        with far.lock:
            far.requests += 1
            number = far.requests
            far.started.append(time.monotonic())
            far.keys.append(self.headers["Idempotency-Key"])
            far.bodies.append(body)
            far.in_flight += 1
            far.most_in_flight = max(far.most_in_flight, far.in_flight)
        try:
            self._answer(far.fault(number), body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with far.lock:
                far.in_flight -= 1

    def _answer(self, fault: str | None, body: bytes) -> None:
        self.far.statuses[fault or "200"] += 1
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._send(401, b'{"error":"unknown token far-side-token"}')
        elif fault == "429":
            self._send(429, b"{}", {"Retry-After": self.far.retry_after})
        elif fault == "cut":
            self._cut()
        elif fault == "garbage":
            self._send(200, b"<html>")
        elif fault and fault.isdigit():
            self._send(int(fault), b'{"error":"told to"}')
        else:
            self._applied(fault, body)

    def _applied(self, fault: str | None, body: bytes) -> None:
        if fault == "slow":
            time.sleep(self.far.hang / 10)
            self._wait_for_others()
        if code := self._out_of_place(body):
            self._send(code, b"{}")
            return
        answer = self.far.apply(self.headers["Idempotency-Key"], body)
        if fault == "applied, then cut":
            self._cut()
        elif fault == "applied, then 500":
            self._send(500, b"{}")
        else:
            if fault == "applied, then silence":
                time.sleep(self.far.hang)
            result = json.loads(answer)["results"][0]
            self._send(result["status"] if self._is_item else 200, answer)

    def _wait_for_others(self) -> None:
        until = time.monotonic() + 30
        while self.far.most_in_flight < self.far.wanted_in_flight and time.monotonic() < until:
            time.sleep(0.005)

    @property
    def _is_item(self) -> bool:
        return not self.path.endswith("/batch")

    def _as_batch(self, body: bytes) -> bytes:
        data = json.loads(body or b"{}")
        key = data.pop("id") if self.command == "POST" else self.path.rpartition("/")[2]
        method = "delete" if self.command == "DELETE" else "upsert"
        return json.dumps({"items": [{"id": key, "method": method, "data": data}]}).encode()

    def _out_of_place(self, body: bytes) -> int | None:
        """Tell what is wrong with changing what is not there, or creating what is."""
        if not self.far.creates_by_post:
            return None
        with self.far.lock:
            is_there = json.loads(body)["items"][0]["id"] in self.far.contacts
        if self.command == "POST":
            return 409 if is_there else None
        return None if is_there else 404

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(2)

    def _send(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
