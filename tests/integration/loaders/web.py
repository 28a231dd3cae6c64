"""A web server over real HTTP whose answers are a function of what it is asked."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from tests.integration.loaders.served import Served

if TYPE_CHECKING:
    from collections.abc import Callable


class Asked(NamedTuple):
    """What a request wants."""

    path: str
    query: dict[str, str]
    headers: Any
    body: bytes


class Answer(NamedTuple):
    """What it gets."""

    body: Any = b""
    """Bytes as they are, all else as JSON."""
    status: int = 200
    headers: dict[str, str] = {}  # noqa: RUF012 - nobody changes it


@dataclass
class Web(Served):
    """A server, and what it was asked."""

    answer: Callable[[Web, Asked], Any]
    """Returns an Answer, or what its body is; None breaks the connection off."""
    asked: list[Asked] = field(default_factory=list)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Handler", (_Handler,), {"web": self})


class _Handler(BaseHTTPRequestHandler):
    web: Web
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        asked = Asked(parts.path, query, self.headers, body)
        self.web.asked.append(asked)
        found = self.web.answer(self.web, asked)
        if found is None:
            self.close_connection = True
            self.connection.close()
            return
        answer = found if isinstance(found, Answer) else Answer(found)
        text = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        sizes = {"Content-Length": str(len(text))} if answer.status != 204 else {}
        for name, value in {"Content-Type": "application/json", **sizes, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
