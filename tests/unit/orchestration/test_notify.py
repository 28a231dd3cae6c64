"""People are told of a trouble once, of its end once, and of nothing twice."""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from orchestration import notify
from orchestration.errors import OrchestrationError
from orchestration.notify import Notifier, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestration.ledger import Ledger

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FRESH = {"shop_db": 3600.0}


def run(status: str = "completed", **detail: Any) -> dict[str, Any]:
    steps = [{"kind": "publish", "status": "completed", "detail": detail}]
    error = None if status == "completed" else "load a: it broke"
    return {
        "id": "r1",
        "job": "daily",
        "target": "duckdb",
        "status": status,
        "error": error,
        "steps": steps,
    }


def found(record: dict[str, Any], news_at: dict[str, datetime] | None = None) -> list[str]:
    troubles = notify.troubles(record, news_at=news_at or {}, fresh=FRESH, now=NOW)
    return [trouble.name for trouble in troubles]


def test_a_failed_and_a_partial_run_are_troubles() -> None:
    assert found(run("failed")) == ["job daily"]
    assert found(run("partial")) == ["job daily"]
    assert found(run("completed")) == []
    assert found(run("cancelled")) == []


def test_a_source_without_news_for_too_long_is_stale() -> None:
    assert found(run(), {"shop_db": NOW - timedelta(minutes=59)}) == []
    assert found(run(), {"shop_db": NOW - timedelta(minutes=61)}) == ["stale shop_db"]


@pytest.mark.parametrize(
    ("was", "count", "expected"),
    [(100, 121, ["quarantine users"]), (100, 119, []), (2, 9, []), (0, 10, ["quarantine users"])],
)
def test_a_quarantine_that_grew_by_share_and_rows_is_a_trouble(
    was: int, count: int, expected: list[str]
) -> None:
    record = run(quarantine={"users": count}, quarantine_before={"users": was})
    assert found(record) == expected


def test_the_same_trouble_is_told_once_and_its_end_once() -> None:
    trouble = Trouble(name="job daily", message="it broke")
    first = notify.news(run("failed"), [trouble], told={})
    assert [(entry.title, entry.kind) for entry in first] == [("Tidemill: job daily", "failure")]
    assert "it broke" in first[0].body
    assert notify.news(run("failed"), [trouble], told={"job daily": "it broke"}) == []
    over = notify.news(run(), [], told={"job daily": "it broke"})
    assert [entry.kind for entry in over] == ["success"]


def test_another_job_and_a_cancelled_run_do_not_end_a_trouble() -> None:
    assert notify.news(run(), [], told={"job nightly": "it broke"}) == []
    assert notify.news(run("cancelled"), [], told={"job daily": "it broke"}) == []


def test_another_job_s_run_that_died_is_told_by_whoever_comes_next() -> None:
    died = {**run("failed"), "job": "nightly", "error": "The process died."}
    troubles = notify.troubles(run(), others=[died], news_at={}, fresh={}, now=NOW)
    assert troubles == [Trouble(name="job nightly", message="The process died.")]


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """A real HTTP server that Apprise's json:// posts to."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv(notify.VARIABLE, f"json://127.0.0.1:{server.server_port}")
    yield got
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_failure_its_repetition_and_its_end_send_two_messages(
    ledger: Ledger, mailbox: list[dict[str, Any]]
) -> None:
    notifier = Notifier(ledger, FRESH, "w")
    for status in ("completed", "failed", "failed", "completed", "completed"):
        notifier.after(run(status), NOW)
    assert [message["title"] for message in mailbox] == [
        "Tidemill: job daily",
        "Tidemill: job daily is well again",
    ]


def test_what_could_not_be_sent_is_tried_again(
    ledger: Ledger, mailbox: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    notifier = Notifier(ledger, FRESH, "w")
    with monkeypatch.context() as patched:
        patched.setenv(notify.VARIABLE, "json://127.0.0.1:1")
        with pytest.raises(OrchestrationError, match="tried again after the next run"):
            notifier.after(run("failed"), NOW)
    notifier.after(run("failed"), NOW)
    assert len(mailbox) == 1


def test_an_address_that_takes_nothing_does_not_make_the_others_hear_again(
    ledger: Ledger, mailbox: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        notify.VARIABLE, f"json://127.0.0.1:1 {os.environ[notify.VARIABLE]} xml://127.0.0.1:1"
    )
    notifier = Notifier(ledger, FRESH, "w")
    with pytest.raises(OrchestrationError, match="takes news: json, xml"):
        notifier.after(run("failed"), NOW)
    notifier.after(run("failed"), NOW)
    assert len(mailbox) == 1


def test_an_address_that_cannot_be_read_is_told_without_its_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(notify.VARIABLE, "nonsense://user:secret@host")
    with pytest.raises(OrchestrationError, match="begins with 'nonsense:'") as caught:
        notify.send(notify.News(title="t", body="b", kind="info"))
    assert "secret" not in str(caught.value)
