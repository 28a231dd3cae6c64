"""Prometheus reads the pattern's names, and its own parser understands every line."""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from orchestration import lease, metrics
from orchestration.errors import SettingWrong
from orchestration.lease import Claim, End
from orchestration.outcome import Delivery, Outcome, Table
from orchestration.plan import Job, Step

if TYPE_CHECKING:
    from pathlib import Path

    from orchestration.ledger import Ledger

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
JOB = Job(steps=(Step(kind="load", argument="a"), Step(kind="deliver", argument="crm")))


@pytest.fixture
def collector(ledger: Ledger) -> metrics.Collector:
    """Two runs: one of 7 s that completed, and one of 70 s that failed."""
    claim = Claim(name="daily", job=JOB, target="duckdb", warehouse="w")
    table = Table(source="a", table="t", read=10, loaded=7, collapsed=1, rejected=2)
    sent = Delivery(output="crm", model="m", destination="d", successful=4, failed=1, skipped=9)
    for status, seconds in (("completed", 7), ("failed", 70)):
        run_id = lease.start(ledger, claim, NOW)
        ledger.complete_step(run_id, "load a", Outcome(tables=(table,)), seconds=1.0)
        ledger.complete_step(run_id, "deliver crm", Outcome(deliveries=(sent,)), seconds=1.0)
        lease.finish(ledger, run_id, End(status=status), NOW + timedelta(seconds=seconds))
    return metrics.Collector(ledger, "w", lambda: {"daily": 1})


def samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_metrics_say_what_the_ledger_knows(
    collector: metrics.Collector, tmp_path: Path
) -> None:
    metrics.write_textfile(collector, tmp_path / "metrics" / "tidemill.prom")
    found = samples((tmp_path / "metrics" / "tidemill.prom").read_text())
    assert found["batch_jobs_total", "daily", "completed"] == 1
    assert found["batch_jobs_total", "daily", "failed"] == 1
    assert found["batch_job_duration_seconds_sum", "daily"] == 77
    assert found["batch_job_duration_seconds_count", "daily"] == 2
    assert found["batch_job_duration_seconds_bucket", "daily", "5.0"] == 0
    assert found["batch_job_duration_seconds_bucket", "daily", "15.0"] == 1
    assert found["batch_job_duration_seconds_bucket", "daily", "300.0"] == 2
    assert found["batch_items_processed_total", "daily", "loaded"] == 14
    assert found["batch_items_processed_total", "daily", "rejected"] == 4
    assert found["batch_items_processed_total", "daily", "delivered"] == 8
    assert found["batch_items_processed_total", "daily", "refused"] == 2
    assert found["batch_queue_size", "daily"] == 1
    assert found["batch_table_news_timestamp_seconds", "a", "t"] == NOW.timestamp()


def test_counts_outlive_the_runs_they_count(
    collector: metrics.Collector, ledger: Ledger, tmp_path: Path
) -> None:
    from orchestration.upkeep import forget_runs

    assert len(forget_runs(ledger, NOW + timedelta(days=1))) == 2
    assert ledger.runs() == []
    metrics.write_textfile(collector, tmp_path / "t.prom")
    found = samples((tmp_path / "t.prom").read_text())
    assert found["batch_items_processed_total", "daily", "loaded"] == 14


def test_they_are_served_over_http(collector: metrics.Collector) -> None:
    with metrics.served(collector, 9479):
        with urllib.request.urlopen("http://127.0.0.1:9479/metrics") as answer:
            assert (
                'batch_jobs_total{job_type="daily",status="failed"} 1.0' in answer.read().decode()
            )
        with (
            pytest.raises(SettingWrong, match="Cannot serve /metrics on port 9479"),
            metrics.served(collector, 9479),
        ):
            pass


def test_promtool_has_nothing_to_say(collector: metrics.Collector, tmp_path: Path) -> None:
    """Where Prometheus's own tool is installed, it is asked as well."""
    metrics.write_textfile(collector, tmp_path / "t.prom")
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; prometheus_client's parser has read every line")
    with (tmp_path / "t.prom").open() as text:
        done = subprocess.run(
            [promtool, "check", "metrics"], stdin=text, capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
