"""What the commands do; imported only when one is run, because it brings the database library."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration import history, jobs, lease, plan, progress, sandbox, show, summary
from orchestration import settings as settings_
from orchestration.aftermath import Aftermath
from orchestration.clock import Clock
from orchestration.errors import NameUnknown, NeedUnmet
from orchestration.halt import on_signals
from orchestration.ledger import Ledger
from orchestration.logs import NAME, LogListener
from orchestration.runner import Runner
from orchestration.steps import KINDS
from orchestration.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from orchestration.events import Listener
    from orchestration.halt import Halt
    from orchestration.settings import Settings

UNDONE = {plan.FAILED, plan.PARTIAL, plan.CANCELLED}
EXIT_CODES = {plan.COMPLETED: 0, plan.PARTIAL: 3, plan.CANCELLED: 130}


def read_settings(target: str | None, *, start: bool = False) -> Settings:
    """Read the settings; the demo's own PostgreSQL is started when it is the one meant.

    Args:
        target: an output of profiles.yml.
        start: make that PostgreSQL if there is none yet.
    """
    wanted = target or os.environ.get("TIDEMILL_TARGET")
    var = Path(os.environ.get("TIDEMILL_VAR") or Path(__file__).parent.parent / "var")
    is_wanted = wanted == "postgres" and not sandbox.is_postgres_given()
    if is_wanted and (start or (var / "postgres").exists()):
        sandbox.start_postgres(var)
    return settings_.read(target)


@contextmanager
def opened(target: str | None, *, bury: bool = True) -> Iterator[tuple[Settings, Ledger]]:
    """Give the settings and the ledger, in which no dead run is shown as running.

    Args:
        target: an output of profiles.yml.
        bury: whether to look for dead runs here; whoever tells people of them looks later.
    """
    current = read_settings(target)
    ledger = Ledger.open(current.ledger_url)
    try:
        if bury:
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
    force: bool = False
    """Start a job though another it needs has not completed."""
    batch_size: int | None = None
    """In place of the job's."""


def run_job(name: str, how: How) -> int:
    """Run a job, show it, and return the exit code."""
    job = with_retry(jobs.find(name), how.retry)
    if how.batch_size:
        job = replace(job, batch_size=how.batch_size)

    def start(runner: Runner, halt: Halt) -> dict[str, Any]:
        successes = history.successes(runner.ledger, runner.settings.target.place)
        reason = plan.unmet(name, job, successes, runner.clock.now())
        if reason and not how.force:
            raise NeedUnmet(f"{reason} Run that first, or give --force.")
        return runner.run(name, job, trigger=how.trigger, halt=halt)

    return _told(_work(how, start), how)


def with_retry(job: plan.Job, retry: plan.Retry | None) -> plan.Job:
    """Return the job with another rule for second tries."""
    if retry is None:
        return job
    steps = tuple(replace(step, retry=None) for step in job.steps)
    return replace(job, retry=retry, steps=steps)


def resume(run_id: str | None, how: How) -> int:
    """Do what is missing of a run, by default the newest one that did not complete."""
    return _told(_resumed(run_id, how), how)


def _resumed(run_id: str | None, how: How) -> dict[str, Any]:
    return _work(how, lambda runner, halt: go_on(runner, run_id, how, halt))


def go_on(runner: Runner, run_id: str | None, how: How, halt: Halt) -> dict[str, Any]:
    """Do what is missing of a run, by default the newest unfinished one; return its record.

    Raises:
        NameUnknown: there is no such run on this warehouse, or it has completed.
    """
    place = runner.settings.target.place
    run = runner.ledger.run(run_id) if run_id else _unfinished(runner.ledger, place)
    if run["status"] == plan.COMPLETED:
        raise NameUnknown(f"Nothing to resume: the run {run['id']} has completed.")
    if run["warehouse"] != place:
        raise NameUnknown(
            f"Cannot resume the run {run['id']} on '{place}': it was begun on "
            f"'{run['warehouse']}'. Give --target {run['target']}."
        )
    return runner.resume(run, with_retry(jobs.find(run["job"]), how.retry), halt=halt)


def retry_failed(how: How) -> int:
    """Resume the newest run of every job, where it did not complete; return the worst exit code."""
    with opened(how.target) as (current, ledger):
        place = current.target.place
        newest = [run for name in jobs.JOBS for run in ledger.runs(1, job=name, warehouse=place)]
    failed = [run for run in newest if run["status"] in UNDONE]
    if not failed and not how.as_json:
        show.text("No job's newest run failed.")
    ended = [_resumed(run["id"], how) for run in failed]
    if how.as_json:
        show.as_json({"resumed": ended})
    return max((exit_code(run) for run in ended), default=0)


def _unfinished(ledger: Ledger, warehouse: str) -> dict[str, Any]:
    for run in ledger.runs(50, warehouse=warehouse):
        if run["status"] in UNDONE:
            return run
    raise NameUnknown("Nothing to resume: every run of the last 50 has completed.")


def _work(how: How, what: Callable[[Runner, Halt], dict[str, Any]]) -> dict[str, Any]:
    """Do a run, show it to people, and return its record."""
    halt = on_signals(patient=False)
    with opened(how.target, bury=False) as (current, ledger):
        with (
            progress.shown(silent=how.as_json) as listeners,
            working(how, current, ledger, *listeners) as runner,
        ):
            run = what(runner, halt)
        if not how.as_json:
            summary.write(run, current)
        return run


def _told(run: dict[str, Any], how: How) -> int:
    """Show a run's record to programs, and return the exit code."""
    if how.as_json:
        show.as_json(run)
    return exit_code(run)


def exit_code(run: Mapping[str, Any]) -> int:
    """Return what the process that did a run ends with."""
    return EXIT_CODES.get(run["status"], 1)


@contextmanager
def working(how: How, current: Settings, ledger: Ledger, *listeners: Listener) -> Iterator[Runner]:
    """Give a runner with its warm processes, its log, and what follows each run."""
    clock = Clock()
    workers = Workers(KINDS, current.logs / "workers.log")
    log = LogListener(current.logs / NAME, verbose=how.verbose)
    runner = Runner(
        settings=current,
        ledger=ledger,
        executor=workers,
        listeners=(*listeners, log, Aftermath(current, ledger, clock, log)),
        clock=clock,
    )
    try:
        for run_id in lease.bury(ledger, clock.now()):
            runner.tell_end(run_id)
        yield runner
    finally:
        workers.close()


def demo(how: How, *, same_day: bool, scale: float, port: int) -> int:
    """Open the shop, let a day pass, run the daily job, close the shop."""
    current = read_settings(how.target, start=True)
    name = current.target.name
    with sandbox.shop(current.var, scale=scale, target=name, api_port=port) as opened_shop:
        if not same_day or opened_shop.day == 0:
            opened_shop.advance()
        if not how.as_json:
            show.text(f"The demo shop is open; it is day {opened_shop.day} there.")
        return run_job("daily", how)
