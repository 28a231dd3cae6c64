"""Measures what a run costs: with nothing new by command line and warm, a micro-batch, the memory.

    python -m tests.benchmarks.runner_speed [--batches 1000]

Prints each figure beside its limit, and the machine's load: on a busy machine read the CPU seconds.
"""

from __future__ import annotations

import argparse
import os
import resource
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
from tests.faults.chain import ROOT, Chain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 5
MESSAGES = 1000
NOTHING_NEW = Job(steps=JOBS["daily"].steps[:6])
"""Load all four sources, build, publish: `daily` without its deliveries and its report."""


def measured(work: Callable[[], Any]) -> tuple[float, float]:
    """Return the seconds on the wall and of CPU, own and of children that ended, of some work."""
    begun, before = time.perf_counter(), _cpu()
    work()
    return time.perf_counter() - begun, _cpu() - before


def _cpu() -> float:
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in found)


def tell(what: str, seconds: float, limit: float, more: str = "") -> bool:
    """Print a figure beside its limit and return whether it keeps it."""
    word = "ok" if seconds < limit else "OVER"
    sys.stdout.write(f"{word:5} {what:44} {seconds:8.2f}  limit {limit:g}  {more}\n")
    sys.stdout.flush()
    return seconds < limit


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


def by_command_line(chain: Chain) -> bool:
    """A run with nothing new, from the shell's prompt and back."""
    command = [sys.executable, "-m", "orchestration", "run", "daily"]

    def run() -> None:
        subprocess.run(command, cwd=ROOT, env=chain.environment, check=True, capture_output=True)

    figures = [measured(run) for _ in range(ROUNDS)]
    seconds, cpu = (statistics.median(column) for column in zip(*figures, strict=True))
    return tell("nothing new, command line", seconds, 3.0, f"{cpu:.2f} s of CPU")


def in_the_scheduler(runner: Runner) -> bool:
    """A run with nothing new where all is warm, and the runner's own share of it."""
    runner.run("warm-up", NOTHING_NEW)
    runs = [runner.run("warm", NOTHING_NEW) for _ in range(ROUNDS)]
    lengths = [(run["completed_at"] - run["started_at"]).total_seconds() for run in runs]
    good = tell("nothing new, warm", statistics.median(lengths), 1.0)
    shares = [100 * own_share(run) for run in runs]
    return tell("the runner's own share, percent", statistics.median(shares), 5.0) and good


def own_share(run: dict[str, Any]) -> float:
    """Return the part of a run in which no step was under way."""
    spans = sorted((step["started_at"], step["completed_at"]) for step in run["steps"])
    covered, end = 0.0, spans[0][0]
    for begun, done in spans:
        covered += max(0.0, (done - max(begun, end)).total_seconds())
        end = max(end, done)
    return 1 - covered / (run["completed_at"] - run["started_at"]).total_seconds()


def micro_batch(runner: Runner, chain: Chain) -> bool:
    """A thousand messages from the queue to the published mart."""
    job = replace(JOBS["micro_batch"], schedule=None)
    runner.run("micro_batch", job)
    lengths = []
    for number in range(ROUNDS):
        _send(chain, number)
        run = runner.run("micro_batch", job)
        assert sum(table["read"] for table in run["tables"]) == MESSAGES, run["tables"]
        lengths.append((run["completed_at"] - run["started_at"]).total_seconds())
    return tell(f"{MESSAGES} messages to the published mart", statistics.median(lengths), 2.0)


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


def memory(runner: Runner, batches: int) -> bool:
    """The scheduler's own memory, and its warm processes', over many micro-batches."""
    job = replace(JOBS["micro_batch"], schedule=None)
    for _ in range(20):
        runner.run("micro_batch", job)
    before = _resident()
    for _ in range(batches):
        runner.run("micro_batch", job)
    grown = (_resident() - before) / 2**20
    return tell(f"MiB grown over {batches} micro-batches", grown, 10.0, f"of {before / 2**20:.0f}")


def _resident() -> int:
    own = psutil.Process()
    return int(own.memory_info().rss) + sum(
        child.memory_info().rss for child in own.children(recursive=True)
    )


def main() -> int:
    """Measure all and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=50, help="1000 for the full measure")
    options = parser.parse_args()
    sys.stdout.write(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
        chain = Chain(var=Path(folder), scale=1.0)
        with chain:
            chain.shop.advance()
            chain.complete()
            chain.complete()
            good = [by_command_line(chain)]
            with warm(chain) as runner:
                good += [in_the_scheduler(runner), micro_batch(runner, chain)]
                good.append(memory(runner, options.batches))
    return 0 if all(good) else 1


if __name__ == "__main__":
    raise SystemExit(main())
