"""The page tells at a glance whether all is well, without a script and without another host."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING

from orchestration import jobs, lease, plan
from orchestration.outcome import Delivery, Outcome, Table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from orchestration.service.service import Service

PAGES = ("/", "/runs", "/quarantine", "/quarantine/stg_shop_api__users", "/docs", "/sign-in")
HTML = {"Accept": "text/html"}


def ran(service: Service, status: str = plan.COMPLETED, error: str | None = None) -> str:
    claim = lease.Claim(
        name="daily",
        job=jobs.JOBS["daily"],
        target="duckdb",
        warehouse=service.settings.target.place,
    )
    run_id = lease.start(service.ledger, claim, service.clock.now())
    table = Table(
        source="shop_api", table="users", read=12345, loaded=12340, collapsed=0, rejected=5
    )
    sent = Delivery(
        output="crm_users",
        model="out_crm__users",
        destination="http://crm",
        successful=77,
        failed=1,
        skipped=0,
        files=(),
        seconds=1.5,
    )
    outcome = Outcome(tables=(table,), deliveries=(sent,))
    service.ledger.complete_step(
        run_id,
        "load shop_api",
        outcome,
        seconds=2.0,
        started_at=service.clock.now(),
        completed_at=service.clock.now(),
    )
    ended = lease.End(status=status, error=error, interrupted=False)
    lease.finish(service.ledger, run_id, ended, service.clock.now())
    return run_id


def test_all_is_well(client: httpx.Client, service: Service) -> None:
    ran(service)
    text = client.get("/").text
    assert "Your data is all right" in text
    for told in (
        "daily",
        "12,345",
        "shop_api.<wbr>users",
        "email is missing",
        "crm_users",
        "/api/v1/users",
        "25 rows",
        'Run <span class="spoken">daily</span>',
    ):
        assert told in text, told


def test_what_went_wrong_comes_first(client: httpx.Client, service: Service) -> None:
    run_id = ran(service, plan.FAILED, "load shop_api: <script>alert(1)</script>")
    text = client.get("/").text
    assert "1 thing needs you" in text
    assert f'<a href="/runs/{run_id}">daily failed</a>' in text
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert" not in text


def test_only_a_service_with_a_scheduler_says_what_comes_next(
    service: Service, client_of: Callable[..., httpx.Client]
) -> None:
    alone = client_of(service).get("/").text
    assert "<dt>Next</dt>" not in alone
    assert "No scheduler runs in this service" in alone
    with_one = client_of(service, scheduling=SimpleNamespace(is_at_work=True)).get("/").text
    scheduled = [job for job in jobs.JOBS.values() if job.schedule]
    assert with_one.count("<dt>Next</dt>") == len(scheduled)
    assert "No scheduler runs in this service" not in with_one
    broken = client_of(service, scheduling=SimpleNamespace(is_at_work=False))
    assert "No scheduler runs in this service" in broken.get("/").text
    assert broken.get("/readyz").json()["checks"]["scheduler"].startswith("stopped")


def test_before_the_first_run(client: httpx.Client, home: Path) -> None:
    (home / "published.duckdb").unlink()
    text = client.get("/").text
    assert "Nothing has run yet" in text
    assert "Nothing has been published yet" in text


def test_a_run_shows_its_steps_its_account_and_what_can_be_done(
    client: httpx.Client, service: Service
) -> None:
    run_id = ran(service, plan.FAILED, "load shop_api: broken")
    text = client.get(f"/runs/{run_id}").text
    for told in ("load shop_api", "12,340", "77", "load shop_api: broken", "Resume", "Log"):
        assert told in text, told
    assert client.get("/runs/none", headers=HTML).status_code == 404


def test_rows_in_quarantine_are_shown_as_text(client: httpx.Client) -> None:
    text = client.get(
        "/quarantine/stg_shop_api__users", params={"reasons": "email is <b>malformed</b>"}
    ).text
    assert "email is &lt;b&gt;malformed" in text
    assert text.count("<tr>") == 3


def test_nothing_comes_from_another_host_or_stands_in_the_page(
    client: httpx.Client, service: Service
) -> None:
    paths = [*PAGES, f"/runs/{ran(service)}"]
    for path in paths:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert re.findall(r'(?:src|href|action)="(?:https?:)?//[^"]*"', answer.text) == []
        assert "style=" not in answer.text
        assert "onclick" not in answer.text
        assert re.findall(r"<script(?! src)", answer.text) == []
    style = client.get("/static/tidemill.css")
    assert style.status_code == 200
    assert "url(" not in style.text


def test_a_problem_is_a_page_for_people_and_a_document_for_programs(client: httpx.Client) -> None:
    page = client.get("/none", headers=HTML)
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    document = client.get("/api/v1/none", headers=HTML)
    assert document.headers["content-type"] == "application/problem+json"
    assert client.get("/static/../app.py").status_code == 404


def test_reports_and_docs_come_when_they_are_there(client: httpx.Client, home: Path) -> None:
    assert client.get("/report").status_code == 404
    assert client.get("/dbt").status_code == 404
    (home / "report.html").write_text("<p>Report</p>")
    (home / "docs").mkdir()
    (home / "docs" / "static_index.html").write_text("<p>dbt</p>")
    assert client.get("/report").text == "<p>Report</p>"
    assert client.get("/dbt").headers["content-security-policy"].startswith("sandbox")
    assert "The daily report</a>" in client.get("/").text
