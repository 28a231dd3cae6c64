"""Runs are listed, shown, followed; started, resumed and cancelled by processes of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest  # noqa: TC002  its fixtures are asked for by type

from orchestration import jobs, lease, plan
from orchestration.errors import AlreadyRunning
from orchestration.events import Event
from orchestration.logs import LogListener
from orchestration.service import progress_file
from orchestration.service.progress_file import ProgressFile

if TYPE_CHECKING:
    import httpx

    from orchestration.service.service import Service

RUNS = "/api/v1/runs"


def begin(service: Service, job: str = "daily") -> str:
    claim = lease.Claim(
        name=job, job=jobs.JOBS[job], target="duckdb", warehouse=service.settings.target.place
    )
    return lease.start(service.ledger, claim, service.clock.now())


def end(service: Service, run_id: str, status: str = plan.COMPLETED) -> None:
    ended = lease.End(status=status, error=None, interrupted=False)
    lease.finish(service.ledger, run_id, ended, service.clock.now())


def test_runs_are_listed_newest_first_and_in_pages(client: httpx.Client, service: Service) -> None:
    found = [begin(service, job) for job in ("daily", "pending", "nightly")]
    first = client.get(RUNS, params={"limit": 2}).json()
    rest = client.get(RUNS, params={"limit": 2, "before": first["next_before"]}).json()
    listed = [run["id"] for run in (*first["items"], *rest["items"])]
    assert sorted(listed, reverse=True) == listed
    assert sorted(listed) == sorted(found)
    assert rest["next_before"] is None
    assert [r["job"] for r in client.get(RUNS, params={"job": "pending"}).json()["items"]] == [
        "pending"
    ]
    assert client.get(RUNS, params={"status": "failed"}).json()["items"] == []


def test_one_run_tells_its_steps_and_how_far_they_are(
    client: httpx.Client, service: Service
) -> None:
    run_id = begin(service)
    progress = ProgressFile(service.settings.var / "runs")
    fields = {"table": "users", "rows": 500}
    progress(Event(name="step_progress", run_id=run_id, step="load shop_api", fields=fields))
    run = client.get(f"{RUNS}/{run_id}").json()
    assert [step["name"] for step in run["steps"]] == jobs.JOBS["daily"].names()
    assert run["steps"][0]["progress"] == {"rows": {"users": 500}}
    assert not {"host", "process", "warehouse"} & set(run)
    assert client.get(f"{RUNS}/20260101-000000-abcd").status_code == 404
    assert client.get(f"{RUNS}/x").status_code == 422


def test_progress_of_one_run_is_not_told_of_another(service: Service) -> None:
    progress = ProgressFile(service.settings.var / "runs")
    fields = {"table": "users", "rows": 500}
    told = {"name": "step_progress", "step": "load shop_api", "fields": fields}
    first, second = begin(service), begin(service, "pending")
    progress(Event(run_id=first, **told))
    progress(Event(run_id=second, **{**told, "step": "load shop_db"}))
    told_of = progress_file.read(service.settings.artifacts(second))
    assert told_of == {"load shop_db": {"rows": {"users": 500}}}
    progress(Event(name="run_ended", run_id=first))
    assert list(progress.steps) == [second]


def test_logs_are_those_of_the_run_and_of_its_steps(client: httpx.Client, service: Service) -> None:
    run_id = begin(service)
    log = LogListener(service.settings.logs / "tidemill.jsonl")
    log(Event(name="run_started", run_id=run_id))
    log(Event(name="run_started", run_id="another"))
    lines = client.get(f"{RUNS}/{run_id}/logs").text.splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["run_started"]
    folder = service.settings.artifacts(run_id)
    folder.mkdir(parents=True)
    (folder / "load-shop_api.log").write_text("hello")
    said = client.get(f"{RUNS}/{run_id}/logs", params={"step": "load shop_api"})
    assert (said.text, said.headers["content-type"]) == ("hello", "text/plain; charset=utf-8")
    assert client.get(f"{RUNS}/{run_id}/logs", params={"step": "../x"}).status_code == 404


def test_a_run_is_followed_to_its_end(client: httpx.Client, service: Service) -> None:
    run_id = begin(service)
    names: list[str] = []
    with client.stream("GET", f"{RUNS}/{run_id}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("event: "):
                names.append(line.removeprefix("event: "))
            if names == ["run"]:
                end(service, run_id)
    assert names == ["run", "run", "end"]
    assert service.streams.open == 0


def test_a_job_is_started_and_a_busy_one_refused(
    client: httpx.Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def start(_: Any, __: Any, what: str, name: str) -> str:
        asked.append((what, name))
        if len(asked) > 3:
            raise AlreadyRunning("It runs.")
        return "20260101-000000-abcd"

    monkeypatch.setattr(type(service.launcher), "start", start)
    failed = begin(service)
    end(service, failed, plan.FAILED)
    answer = client.post("/api/v1/jobs/daily/runs")
    assert (answer.status_code, answer.json()["run_id"]) == (202, "20260101-000000-abcd")
    assert client.post(f"{RUNS}/{failed}/resume").status_code == 202
    assert client.post("/api/v1/quarantine/replay").status_code == 202
    assert client.post("/api/v1/jobs/daily/runs").status_code == 409
    assert client.post("/api/v1/jobs/none/runs").status_code == 404
    assert asked[:3] == [("run", "daily"), ("resume", failed), ("run", "replay")]


def test_only_a_run_at_work_is_cancelled(client: httpx.Client, service: Service) -> None:
    run_id = begin(service)
    assert client.post(f"{RUNS}/{run_id}/cancel").status_code == 202
    assert client.get(f"{RUNS}/{run_id}").json()["cancel_requested"] is True
    assert client.post(f"{RUNS}/{run_id}/resume").status_code == 409
    end(service, run_id, plan.CANCELLED)
    assert client.post(f"{RUNS}/{run_id}/cancel").status_code == 409


def test_jobs_and_quarantine(client: httpx.Client) -> None:
    names = [job["name"] for job in client.get("/api/v1/jobs").json()["items"]]
    assert names == list(jobs.JOBS)
    body = client.get("/api/v1/quarantine").json()
    assert body["total"] == 7
    assert body["items"][0] == {
        "table": "stg_shop_api__users",
        "reasons": "email is missing",
        "count": 3,
    }
    rows = client.get("/api/v1/quarantine/stg_shop_api__users", params={"page_size": 2}).json()
    assert (len(rows["items"]), rows["total"], rows["has_next"]) == (2, 5, True)
    assert rows["items"][0] == {"id": 1, "email": None, "reasons": "email is missing"}
    assert client.get("/api/v1/quarantine/none").status_code == 404


def test_what_the_loaders_rejected_is_in_the_quarantine_too(client: httpx.Client) -> None:
    place, reason = "/api/v1/quarantine", "quantity: … is not a bigint"
    told = {"table": "raw_shop_db__order_items", "reasons": reason, "count": 2}
    assert told in client.get(place).json()["items"]
    rejected = client.get(
        f"{place}/raw_shop_db__order_items", params={"reasons": reason, "page_size": 1}
    ).json()
    assert (rejected["total"], rejected["has_next"]) == (2, True)
    assert rejected["items"] == [
        {
            "reject_id": "id2",
            "reason": "quantity: '2 pieces' is not a bigint",
            "origin": "order_items",
            "position": "2",
            "rejected_at": "2026-01-01T00:02:00",
            "payload": '{"id": 2}',
        }
    ]


def test_metrics(client: httpx.Client) -> None:
    client.get("/api/v1/jobs")
    text = client.get("/metrics").text
    assert (
        'tidemill_http_requests_total{method="GET",route="/api/v1/jobs",status="200"} 1.0' in text
    )
    assert "batch_jobs_total" in text
