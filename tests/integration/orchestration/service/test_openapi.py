"""Whatever the OpenAPI document allows, and what it does not, gets an answer that it declares."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from orchestration.service import tokens
from orchestration.service.launch import Launcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.service.service import Service

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,response_headers_conformance,negative_data_rejection,"
    "unsupported_method"
)
EXAMPLES = 25


@pytest.fixture
def service(opened: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> Service:
    """A service that wants tokens, and whose runs are only said to have started."""
    monkeypatch.setattr(Launcher, "start", lambda *_: "20260101-000000-abcd")
    return opened(needs_tokens=True, large_batches=100_000, requests_per_second=1e6, burst=1e6)


@pytest.fixture
def url(service: Service, client_of: Callable[..., httpx.Client]) -> str:
    return str(client_of(service).base_url)


@pytest.mark.slow
def test_schemathesis(service: Service, url: str, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("schemathesis")
    if not program.exists():
        pytest.skip("schemathesis is not installed: pip install -e '.[dev]'")
    _, token = tokens.make(service.store, "st", tokens.SCOPES, now=service.clock.now())
    command = [
        str(program),
        "run",
        f"{url}/openapi.json",
        "--checks",
        CHECKS,
        "--max-examples",
        str(EXAMPLES),
        "--phases",
        "examples,coverage,fuzzing",
        "--exclude-path-regex",
        "events$",
        "--workers",
        "1",
        "--header",
        f"Authorization: Bearer {token}",
        "--seed",
        "7",
        "--request-timeout",
        "20",
        "--no-color",
        "--continue-on-failure",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_the_document_is_whole(url: str) -> None:
    document: dict[str, Any] = httpx.get(f"{url}/openapi.json", timeout=60).json()
    assert document["openapi"].startswith("3.1")
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(operations) == 22
    for path, method, operation in operations:
        assert operation.get("description"), (method, path)
        for status, response in operation["responses"].items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"], path
    assert "dim_users" not in json.dumps(document), "tables are nobody's business"
