"""Who is let in, what is refused, and what is written down: the promises of docs/security.md."""

from __future__ import annotations

import json
import os
import socket
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from orchestration.clock import Clock
from orchestration.service import guard, sessions, tokens
from orchestration.service.access import REMEMBERED
from orchestration.service.configuration import Binding, read_limits
from orchestration.service.store import TOKENS

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from orchestration.service.service import Service

USERS = "/api/v1/users"
BATCH = {"items": [{"id": 1, "method": "create", "data": {"email": "a@b.c"}}]}


@pytest.fixture
def closed(opened: Callable[..., Service]) -> Service:
    """A service that wants a token from everyone."""
    return opened(needs_tokens=True)


@pytest.fixture
def stranger(closed: Service, client_of: Callable[..., httpx.Client]) -> httpx.Client:
    return client_of(closed)


def bearer(service: Service, *scopes: str, **options: Any) -> dict[str, str]:
    _, token = tokens.make(service.store, "test", scopes, now=service.clock.now(), **options)
    return {"Authorization": f"Bearer {token}"}


def test_without_a_token_nothing_is_told_but_health(stranger: httpx.Client) -> None:
    assert stranger.get("/healthz").json() == {"status": "ok"}
    assert set(stranger.get("/readyz").json()["checks"]) == {"store", "ledger", "marts"}
    for method, path in (
        ("GET", USERS),
        ("GET", f"{USERS}/export"),
        ("POST", f"{USERS}/batch"),
        ("POST", "/api/v1/batch/async"),
        ("GET", "/api/v1/runs"),
        ("GET", "/api/v1/jobs"),
        ("POST", "/api/v1/jobs/daily/runs"),
        ("GET", "/metrics"),
        ("GET", "/api/v1/quarantine"),
        ("POST", "/api/v1/quarantine/replay"),
    ):
        answer = stranger.request(method, path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (
            401,
            'Bearer realm="tidemill"',
        ), path


def test_a_scope_lets_in_where_it_belongs(closed: Service, stranger: httpx.Client) -> None:
    read, write = bearer(closed, "read"), bearer(closed, "write")
    assert stranger.get(USERS, headers=read).status_code == 200
    assert stranger.post(f"{USERS}/batch", json=BATCH, headers=read).status_code == 403
    assert stranger.post("/api/v1/jobs/daily/runs", headers=read).status_code == 403
    assert stranger.get(USERS, headers=write).status_code == 403
    assert stranger.post(f"{USERS}/batch", json=BATCH, headers=write).status_code == 200


def test_wrong_revoked_and_expired_tokens_are_refused(
    closed: Service, stranger: httpx.Client
) -> None:
    now = closed.clock.now()
    token_id, token = tokens.make(closed.store, "t", ["read"], now=now)
    old = bearer(closed, "read", expires_at=now - timedelta(seconds=1))
    wrong = [f"Bearer {token}x", f"Bearer tm_{token_id}_", "Bearer x", "Basic eDp4", "Bearer"]
    for given in (*wrong, old["Authorization"]):
        answer = stranger.get(USERS, headers={"Authorization": given})
        assert answer.status_code == 401, given
    good = {"Authorization": f"Bearer {token}"}
    assert stranger.get(USERS, headers=good).status_code == 200
    tokens.revoke(closed.store, token_id, now=now)
    closed.doorkeeper._seen = {
        k: (t - REMEMBERED, c) for k, (t, c) in closed.doorkeeper._seen.items()
    }
    assert stranger.get(USERS, headers=good).status_code == 401


def test_a_wrong_token_is_refused_on_this_machine_too(client: httpx.Client) -> None:
    assert client.get(USERS).status_code == 200
    assert client.get(USERS, headers={"Authorization": "Bearer x"}).status_code == 401
    assert client.get(USERS, headers={"Authorization": "Basic x"}).status_code == 401


def test_only_loopback_goes_without_tokens() -> None:
    assert Binding(host="127.0.0.1").is_open
    assert not Binding(host="0.0.0.0").is_open  # noqa: S104  never bound here
    assert not Binding(host="127.0.0.1", needs_tokens=True).is_open


def test_what_a_proxy_passes_on_is_not_this_machine(client: httpx.Client) -> None:
    for name in ("X-Forwarded-For", "Forwarded"):
        assert client.get(USERS, headers={name: "203.0.113.9"}).status_code == 401


def test_pages_of_other_sites_cannot_act_here(client: httpx.Client) -> None:
    for headers in (
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
    ):
        answer = client.post(f"{USERS}/batch", json=BATCH, headers=headers)
        assert answer.status_code == 403, headers
    assert client.get(USERS, headers={"Host": "evil.example"}).status_code == 421


def test_secrets_are_kept_as_digests_only(closed: Service) -> None:
    _, token = tokens.make(closed.store, "t", ["read"], now=closed.clock.now())
    secret = token.rsplit("_", 1)[-1]
    with closed.store.reading() as connection:
        row = connection.execute(sa.select(TOKENS)).one()
    assert secret not in repr(row)
    assert "digest" not in tokens.listed(closed.store)[0]


def test_bodies_have_their_limit(opened: Callable[..., Service], client_of: Any) -> None:
    client = client_of(opened(body_bytes=1000, large_body_bytes=2000))
    assert client.post(f"{USERS}/batch", content=b"x" * 1001).status_code == 413
    chunked = client.post(f"{USERS}/batch", content=iter([b"x" * 600, b"x" * 600]))
    assert chunked.status_code == 413
    large = client.post(
        "/api/v1/batch/async",
        params={"resource": "users"},
        headers={"Content-Type": "application/x-ndjson"},
        content=iter([b"1\n" * 600, b"1\n" * 600]),
    )
    assert large.status_code == 413


def test_a_caller_who_asks_too_often_waits(
    opened: Callable[..., Service], client_of: Any, clock: Any
) -> None:
    client = client_of(opened(clock, requests_per_second=1.0, burst=3.0))
    answers = [client.get(USERS) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].headers["retry-after"] == "1"
    clock.time += timedelta(seconds=1)
    assert [client.get(USERS).status_code for _ in range(2)] == [200, 429]


def test_a_request_that_takes_too_long_is_ended(
    opened: Callable[..., Service], client_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.service import pages

    slow = "select sum(a.range * b.range) from range(1000000) a, range(1000000) b"
    monkeypatch.setattr(
        pages.Pages, "answer", lambda _, connection, *__: connection.execute(slow).fetchall()
    )
    client = client_of(opened(request_seconds=0.3))
    answer = client.get(USERS)
    assert answer.status_code == 503
    assert "No answer within 0.3 s" in answer.json()["detail"]


def test_every_answer_has_the_headers(client: httpx.Client) -> None:
    for path in ("/healthz", "/", "/api/v1/none", USERS):
        headers = client.get(path).headers
        for name, value in guard.HEADERS:
            assert headers[name.decode()] == value.decode()
        assert "server" not in headers or headers["server"] == "uvicorn"


def test_each_write_has_its_audit_line(service: Service, client: httpx.Client) -> None:
    client.post(f"{USERS}/batch", json=BATCH)
    client.get(USERS)
    lines = (service.settings.logs / "audit.jsonl").read_text().splitlines()
    entry = json.loads(lines[-1])
    assert len(lines) == 1
    assert {name: entry[name] for name in ("caller", "method", "path", "status", "successful")} == {
        "caller": "loopback",
        "method": "POST",
        "path": f"{USERS}/batch",
        "status": 200,
        "successful": 1,
    }


def test_a_refused_write_has_its_audit_line_without_the_token(
    closed: Service, stranger: httpx.Client
) -> None:
    stranger.post(f"{USERS}/batch", json=BATCH, headers={"Authorization": "Bearer tm_a_secret"})
    text = (closed.settings.logs / "audit.jsonl").read_text()
    assert json.loads(text)["status"] == 401
    assert "secret" not in text


def test_the_page_wants_a_sign_in_and_remembers_it(closed: Service, stranger: httpx.Client) -> None:
    assert stranger.get("/").headers["location"] == "/sign-in"
    token = bearer(closed, "read")["Authorization"].removeprefix("Bearer ")
    assert stranger.post("/sign-in", data={"token": "tm_x_y"}).status_code == 401
    answer = stranger.post("/sign-in", data={"token": token})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert stranger.get("/").status_code == 200
    assert stranger.get(USERS).status_code == 401, "the cookie is for pages only"


def test_a_page_action_needs_our_own_form(service: Service, client: httpx.Client) -> None:
    assert client.post("/quarantine/replay").status_code == 403
    assert client.post("/quarantine/replay", data={"form": "x"}).status_code == 403
    form = sessions.form_token(service.secret, "loopback")
    foreign = client.post(
        "/quarantine/replay", data={"form": form}, headers={"Origin": "https://evil.example"}
    )
    assert foreign.status_code == 403


def test_a_reader_cannot_act_on_the_page(closed: Service, stranger: httpx.Client) -> None:
    token = bearer(closed, "read")["Authorization"].removeprefix("Bearer ")
    stranger.post("/sign-in", data={"token": token})
    assert "/jobs/daily/run" not in stranger.get("/").text
    form = sessions.form_token(closed.secret, token.split("_")[1])
    assert stranger.post("/jobs/daily/run", data={"form": form}).status_code == 403


def test_sessions_end_and_cannot_be_forged(closed: Service) -> None:
    now = closed.clock.now()
    cookie = sessions.sign_in(closed.secret, "abc", now)
    assert sessions.token_of(closed.secret, cookie, now) == "abc"
    assert sessions.token_of(closed.secret, cookie, now + timedelta(hours=13)) is None
    for forged in (cookie.replace("abc", "abd"), cookie[:-1], "", "a.b.c", os.urandom(8).hex()):
        assert sessions.token_of(closed.secret, forged, now) is None
    assert sessions.token_of(b"other", cookie, now) is None


def test_a_limit_that_is_no_number_is_told() -> None:
    from orchestration.errors import SettingWrong

    assert read_limits({"TIDEMILL_SERVICE_BATCH_ITEMS": "7"}).batch_items == 7
    for text in ("0", "-1", "x", "1.5", "nan"):
        with pytest.raises(SettingWrong, match="TIDEMILL_SERVICE_BATCH_ITEMS"):
            read_limits({"TIDEMILL_SERVICE_BATCH_ITEMS": text})


def test_what_no_form_of_ours_has_is_refused(client: httpx.Client) -> None:
    many = {f"f{number}": "x" for number in range(30)}
    assert client.post("/sign-in", data=many).status_code == 422
    assert client.post("/sign-in", data={"token": "tm_\x00_x"}).status_code == 401
    for place in ("/api/v1/runs?before=%00", "/runs/%00", "/quarantine/x?reasons=%00"):
        assert client.get(place).status_code == 422


def test_a_session_behind_a_proxy_with_https_is_for_https_only(
    closed: Service, stranger: httpx.Client
) -> None:
    _, token = tokens.make(closed.store, "ann", ["read"], now=Clock().now())
    answer = stranger.post(
        "/sign-in", data={"token": token}, headers={"X-Forwarded-Proto": "https"}
    )
    assert (answer.status_code, "; Secure" in answer.headers["set-cookie"]) == (303, True)


def test_a_caller_who_hangs_up_is_no_fault_of_ours(client: httpx.Client, service: Service) -> None:
    for place, kind in (
        ("users/batch", "application/json"),
        ("batch/async", "application/x-ndjson"),
    ):
        head = f"POST /api/v1/{place}?resource=users HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as caller:
            caller.sendall(f"{head}Content-Type: {kind}\r\nContent-Length: 99\r\n\r\nx".encode())
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and len(statuses(service)) < 2:
        time.sleep(0.02)
    assert statuses(service) == ["400", "400"]
    assert list(service.worker.folder.iterdir()) == []


def statuses(service: Service) -> list[str]:
    counted = service.counters.registry.collect()
    name = "tidemill_http_requests_total"
    samples = [sample for metric in counted for sample in metric.samples if sample.name == name]
    return [sample.labels["status"] for sample in samples for _ in range(int(sample.value))]
