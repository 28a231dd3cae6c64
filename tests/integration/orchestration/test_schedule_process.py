"""`tidemill schedule` as a service manager sees it: it works, answers, and stops when told."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest

from orchestration.ledger import Ledger
from tests.faults.chain import ROOT, Chain
from tests.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_a_scheduler_works_answers_and_stops_in_good_order(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "orchestration", "schedule", "--job", "micro_batch"]
    with Chain(var=tmp_path / "var", scale=0.05) as chain:
        chain.shop.advance()
        chain.complete()
        with subprocess.Popen(
            [*command, "--metrics-port", str(port)],
            cwd=ROOT,
            env={**chain.environment, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        ) as scheduler:
            assert scheduler.stdout
            assert scheduler.stdout.readline() == "micro_batch      every 10 s\n"
            assert _metrics(port).startswith("# HELP batch_jobs_total")
            scheduler.stdout.readline()
            line = next(line for line in scheduler.stdout if " micro_batch " in line)
            assert " micro_batch completed in " in line
            scheduler.send_signal(signal.SIGTERM)
            assert scheduler.wait(60) == 0
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'var' / 'ledger.sqlite'}")
    runs = ledger.runs()
    ledger.close()
    assert {run["trigger"] for run in runs} == {"schedule", "manual"}
    assert "running" not in {run["status"] for run in runs}
    metrics = tmp_path / "var" / "metrics"
    assert [path.name for path in metrics.iterdir()] == ["tidemill.prom"]


def _metrics(port: int) -> str:
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                text: str = answer.read().decode()
                return text
        except urllib.error.URLError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
