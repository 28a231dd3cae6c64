"""What the commands do; imported only when one is run, because it brings the database library."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration import jobs, lease, plan, progress, sandbox, show, summary
from orchestration import settings as settings_
from orchestration.aftermath import Aftermath
from orchestration.clock import Clock
from orchestration.errors import NameUnknown, unknown
from orchestration.halt import on_signals
from orchestration.ledger import Ledger
from orchestration.logs import LogListener
from orchestration.runner import Runner
from orchestration.show import Grid
from orchestration.steps import KINDS
from orchestration.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestration.halt import Halt
    from orchestration.settings import Settings

EXIT_CODES = {plan.COMPLETED: 0, plan.PARTIAL: 3, plan.CANCELLED: 130}


def read_settings(target: str | None) -> Settings:
    """Read the settings; the demo's own PostgreSQL is started when it is the one meant."""
    wanted = target or os.environ.get("TIDEMILL_TARGET")
    var = Path(os.environ.get("TIDEMILL_VAR") or Path(__file__).parent.parent / "var")
    if wanted == "postgres" and not sandbox.is_postgres_given() and (var / "postgres").exists():
        sandbox.start_postgres(var)
    return settings_.read(target)


@contextmanager
def opened(target: str | None) -> Iterator[tuple[Settings, Ledger]]:
    """Give the settings and the ledger, in which no dead run is shown as running."""
    current = read_settings(target)
    ledger = Ledger.open(current.ledger_url)
    try:
        lease.bury(ledger, Clock().now())
        yield current, ledger
    finally:
        ledger.close()


@dataclass(frozen=True, kw_only=True)
class How:
    """How a command is to go about it."""

    target: str | None = None
    as_json: bool = False
    verbose: bool = False
    retry: plan.Retry | None = None
    """In place of the job's."""
    trigger: str = "manual"


def run_job(name: str, how: How) -> int:
    """Run a job, show it, and return the exit code."""
    job = with_retry(jobs.find(name), how.retry)
    return _work(how, lambda runner, halt: runner.run(name, job, trigger=how.trigger, halt=halt))


def with_retry(job: plan.Job, retry: plan.Retry | None) -> plan.Job:
    """Return the job with another rule for second tries."""
    from dataclasses import replace

    if retry is None:
        return job
    steps = tuple(replace(step, retry=None) for step in job.steps)
    return replace(job, retry=retry, steps=steps)


def resume(run_id: str | None, how: How) -> int:
    """Do what is missing of a run, by default the newest one that did not complete."""

    def go_on(runner: Runner, halt: Halt) -> dict[str, Any]:
        run = runner.ledger.run(run_id) if run_id else _unfinished(runner.ledger)
        if run["status"] == plan.COMPLETED:
            raise NameUnknown(f"Nothing to resume: the run {run['id']} has completed.")
        return runner.resume(run, jobs.find(run["job"]), halt=halt)

    return _work(how, go_on)


def _unfinished(ledger: Ledger) -> dict[str, Any]:
    for run in ledger.runs(50):
        if run["status"] not in {plan.COMPLETED, plan.RUNNING}:
            return run
    raise NameUnknown("Nothing to resume: every run of the last 50 has completed.")


def _work(how: How, what: Callable[[Runner, Halt], dict[str, Any]]) -> int:
    halt = on_signals(patient=False)
    with opened(how.target) as (current, ledger):
        workers = Workers(KINDS, current.logs / "workers.log")
        display = progress.for_stream(silent=how.as_json)
        log = LogListener(current.logs / "tidemill.jsonl", verbose=how.verbose)
        clock = Clock()
        runner = Runner(
            settings=current,
            ledger=ledger,
            executor=workers,
            listeners=(display, log, Aftermath(current, ledger, clock, log)),
            clock=clock,
        )
        try:
            with display, log:
                run = what(runner, halt)
        finally:
            workers.close()
        show.as_json(run) if how.as_json else summary.write(run, current)
        return EXIT_CODES.get(run["status"], 1)


def demo(how: How, *, same_day: bool, scale: float, port: int) -> int:
    """Open the shop, let a day pass, run the daily job, close the shop."""
    var = settings_.read("duckdb").var
    if how.target == "postgres" and not sandbox.is_postgres_given():
        sandbox.start_postgres(var)
    with sandbox.shop(var, scale=scale, api_port=port) as opened_shop:
        if not same_day or opened_shop.day == 0:
            opened_shop.advance()
        if not how.as_json:
            show.text(f"The demo shop is open; it is day {opened_shop.day} there.")
        return run_job("daily", how)


def keep_shop(scale: float) -> int:
    """Keep the shop open on its fixed ports until Ctrl-C."""
    var = settings_.read("duckdb").var
    ports = {"api_port": sandbox.API_PORT, "redis_port": sandbox.REDIS_PORT}
    with sandbox.shop(var, scale=scale, **ports) as opened_shop:
        show.text(f"The demo shop is open; it is day {opened_shop.day} there. Ctrl-C closes it.")
        for name, value in sorted(opened_shop.environment().items()):
            show.text(f"  {name}={value}")
        on_signals(patient=False).soon.wait()
    return 0


def status(target: str | None, *, limit: int, as_json: bool) -> int:
    """Show the newest runs, and the account of the last one."""
    with opened(target) as (current, ledger):
        runs = ledger.runs(limit)
        if as_json:
            show.as_json({"target": current.target.name, "runs": runs})
        elif runs:
            for content in summary.grids(runs[0]):
                show.grid(content)
            show.grid(_run_grid(runs))
            for line in summary.headline(runs[0]):
                show.text(line)
        else:
            show.text("No run yet. `tidemill demo` makes one; `tidemill run daily` as well.")
    return 0


def runs(target: str | None, *, job: str | None, limit: int, as_json: bool) -> int:
    """List runs, newest first."""
    if job and job not in jobs.JOBS and " " not in job:
        raise unknown("job", job, jobs.JOBS)
    with opened(target) as (_, ledger):
        found = ledger.runs(limit, job=job)
        show.as_json({"runs": found}) if as_json else show.grid(_run_grid(found))
    return 0


def _run_grid(found: list[dict[str, Any]]) -> Grid:
    names = ("id", "job", "target", "status", "started_at", "records_processed", "records_rejected")
    header = ("run", "job", "target", "status", "started (UTC)", "read", "rejected")
    return Grid(title="Runs", header=header, rows=[[run[name] for name in names] for run in found])


def cancel(run_id: str, target: str | None, *, as_json: bool) -> int:
    """Ask a run, wherever it is at work, to stop."""
    with opened(target) as (_, ledger):
        run = ledger.run(run_id)
        if run["status"] != plan.RUNNING:
            raise NameUnknown(f"Cannot cancel the run '{run['id']}': it is {run['status']}.")
        lease.request_cancel(ledger, run["id"])
        answer = {"run": run["id"], "asked": "cancel"}
        show.as_json(answer) if as_json else show.text(
            f"The run {run['id']} has been asked to stop; it does within seconds."
        )
    return 0


def list_jobs(*, as_json: bool) -> int:
    """List the jobs and what they do."""
    rows = [[name, len(job.steps), job.description] for name, job in jobs.JOBS.items()]
    answer = {"jobs": {name: job.names() for name, job in jobs.JOBS.items()}}
    grid = Grid(title="Jobs", header=("job", "steps", "what it does"), rows=rows)
    show.as_json(answer) if as_json else show.grid(grid)
    return 0
