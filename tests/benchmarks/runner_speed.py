"""Measures what a run costs: with nothing new by command line and warm, a micro-batch, the memory.

    python -m tests.benchmarks.runner_speed [--batches 1000]

On a busy machine read the CPU seconds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import redis

from orchestration import settings as settings_
from orchestration.clock import Clock
from orchestration.jobs import JOBS
from orchestration.ledger import Ledger
from orchestration.plan import Job
from orchestration.runner import Runner
from orchestration.steps import KINDS
from orchestration.workers import Workers
from tests.benchmarks.figures import Figure, Run, Section, hand_in
from tests.faults.chain import ROOT, Chain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = range(5)
MESSAGES = 1000
WARM_UP = 2
"""Micro-batches after which dbt's warm process is as it stays: started, its macros compiled."""
NOTHING_NEW = Job(steps=JOBS["daily"].steps[:6])
"""Load all four sources, build, publish: `daily` without its deliveries and its report."""


def measured(work: Callable[[], Any]) -> Run:
    """Return the seconds on the wall and of CPU, own and of all processes below, of some work."""
    begun, before = time.perf_counter(), _cpu()
    work()
    return Run(wall=time.perf_counter() - begun, cpu=_cpu() - before)


def _cpu() -> float:
    """Return the CPU seconds of this process, its children, and all that those waited for."""
    own = psutil.Process()
    return sum(sum(each.cpu_times()[:4]) for each in [own, *own.children()])


@contextmanager
def warm(chain: Chain) -> Iterator[Runner]:
    """Give a runner as the scheduler has it: warm processes, an open ledger."""
    os.environ.update(chain.environment)
    current = settings_.read("duckdb")
    ledger, workers = Ledger.open(current.ledger_url), Workers(KINDS, current.logs / "workers.log")
    try:
        yield Runner(settings=current, ledger=ledger, executor=workers, clock=Clock())
    finally:
        workers.close()
        ledger.close()


def by_command_line(chain: Chain) -> Figure:
    """A run with nothing new, from the shell's prompt and back."""
    command = [sys.executable, "-m", "orchestration", "run", "daily"]

    def run() -> None:
        subprocess.run(command, cwd=ROOT, env=chain.environment, check=True, capture_output=True)

    return figure("a run with nothing new, by command line", 3.0, [measured(run) for _ in ROUNDS])


def figure(work: str, wanted: float, runs: list[Run]) -> Figure:
    """Return a figure in seconds on the wall."""
    seconds = statistics.median(run.wall for run in runs)
    comes_to = f"{seconds:.2f} s ({wanted:g} wanted)"
    return Figure(work=work, contender="ours", runs=runs, comes_to=comes_to)


def in_the_scheduler(runner: Runner) -> list[Figure]:
    """A run with nothing new where all is warm, and the runner's own share of it."""
    runner.run("warm-up", NOTHING_NEW)
    records: list[dict[str, Any]] = []
    runs = [measured(lambda: records.append(runner.run("warm", NOTHING_NEW))) for _ in ROUNDS]
    share = statistics.median(own_share(record) for record in records)
    return [
        figure("a run with nothing new, warm", 1.0, runs),
        Figure(
            work="the same: the time in which no step was under way",
            contender="ours",
            runs=[Run(wall=own_share(record) * length(record)) for record in records],
            comes_to=f"{100 * share:.1f} % of the run (5 wanted)",
        ),
    ]


def length(run: dict[str, Any]) -> float:
    """Return the seconds that a run took."""
    return float((run["completed_at"] - run["started_at"]).total_seconds())


def own_share(run: dict[str, Any]) -> float:
    """Return the part of a run in which no step was under way."""
    spans = sorted((step["started_at"], step["completed_at"]) for step in run["steps"])
    covered, end = 0.0, spans[0][0]
    for begun, done in spans:
        covered += max(0.0, (done - max(begun, end)).total_seconds())
        end = max(end, done)
    return 1 - covered / (run["completed_at"] - run["started_at"]).total_seconds()


def micro_batch(runner: Runner, chain: Chain) -> Figure:
    """A thousand messages from the queue to the published mart."""
    job = replace(JOBS["micro_batch"], schedule=None)
    runs = []
    for number in range(WARM_UP + len(ROUNDS)):
        _send(chain, number)
        records: list[dict[str, Any]] = []
        runs.append(measured(lambda: records.append(runner.run("micro_batch", job))))  # noqa: B023
        assert sum(table["read"] for table in records[0]["tables"]) == MESSAGES
    runs = runs[WARM_UP:]
    return figure(f"{MESSAGES:,} messages from the queue to the published mart", 2.0, runs)


def _send(chain: Chain, number: int) -> None:
    with redis.Redis.from_url(chain.shop.redis_url) as queue, queue.pipeline() as pipe:
        for entry in range(MESSAGES):
            identity = str(10_000_000 + number * MESSAGES + entry)
            pipe.xadd(
                "payments",
                {
                    "payment_id": identity,
                    "order_id": "1",
                    "amount": "1.00",
                    "currency": "EUR",
                    "method": "card",
                    "status": "failed",
                    "paid_at": "2026-01-01T12:00:00Z",
                },
            )
        pipe.execute()


def memory(runner: Runner, batches: int) -> Figure:
    """The scheduler's own memory, and its warm processes', over many micro-batches."""
    job = replace(JOBS["micro_batch"], schedule=None)
    for _ in range(20):
        runner.run("micro_batch", job)
    before = _resident()
    run = measured(lambda: [runner.run("micro_batch", job) for _ in range(batches)])
    grown = _resident() - before
    return Figure(
        work=f"{batches:,} micro-batches with nothing new, one after the other",
        contender="ours",
        runs=[replace(run, peak=before + grown)],
        comes_to=f"{grown:+.1f} MB of memory (flat wanted)",
    )


def _resident() -> float:
    """Return the memory of this process and its warm ones, in MB."""
    own = psutil.Process()
    return sum(each.memory_info().rss for each in [own, *own.children()]) / 1e6


def main() -> int:
    """Measure all and hand the figures in."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=50, help="1000 for the full measure")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
        chain = Chain(var=Path(folder), scale=1.0)
        with chain:
            chain.shop.advance()
            chain.complete()
            chain.complete()
            figures = [by_command_line(chain)]
            with warm(chain) as runner:
                figures += [*in_the_scheduler(runner), micro_batch(runner, chain)]
                figures.append(memory(runner, options.batches))
    command = f"python -m tests.benchmarks.runner_speed --batches {options.batches}"
    note = f"{load:.1f} processes wanted the {os.cpu_count()} cores when this began."
    hand_in(Section(title="Runs", command=command, figures=figures, notes=[note]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
