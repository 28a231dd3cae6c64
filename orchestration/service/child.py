"""A run that the service started: a process of its own, which outlives the service.

`python -m orchestration.service.child run <job>` or `… resume <run>`.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchestration import jobs, plan
from orchestration.aftermath import Aftermath
from orchestration.clock import Clock
from orchestration.commands import EXIT_CODES, opened
from orchestration.errors import AlreadyRunning, NameUnknown, OrchestrationError
from orchestration.halt import on_signals
from orchestration.logs import LogListener
from orchestration.runner import Runner
from orchestration.service.progress_file import ProgressFile
from orchestration.steps import KINDS
from orchestration.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.halt import Halt

POLITE: Final = 5
"""How much a run steps back behind the service that answers meanwhile."""


def main(what: str, name: str) -> int:
    """Run a job or resume a run; return the exit code."""
    _step_back()
    halt = on_signals(patient=False)
    try:
        run = _work(_resume if what == "resume" else _run, name, halt)
    except OrchestrationError as error:
        sys.stderr.write(f"{error}\n")
        return os.EX_TEMPFAIL if isinstance(error, AlreadyRunning) else 1
    return EXIT_CODES.get(run["status"], 1)


def _step_back() -> None:
    """Leave the processor to whoever answers requests meanwhile.

    Linux weighs sessions against each other (autogroups), and this is a session of its own.
    """
    os.nice(POLITE)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(POLITE), encoding="ascii")


def _work(
    what: Callable[[Runner, str, Halt], dict[str, Any]], name: str, halt: Halt
) -> dict[str, Any]:
    with opened(None) as (current, ledger):
        workers = Workers(KINDS, current.logs / "workers.log")
        log = LogListener(current.logs / "tidemill.jsonl")
        clock = Clock()
        progress = ProgressFile(current.var / "runs")
        runner = Runner(
            settings=current,
            ledger=ledger,
            executor=workers,
            listeners=(log, progress, Aftermath(current, ledger, clock, log)),
            clock=clock,
        )
        try:
            with log:
                return what(runner, name, halt)
        finally:
            workers.close()


def _run(runner: Runner, name: str, halt: Halt) -> dict[str, Any]:
    return runner.run(name, jobs.find(name), trigger="api", halt=halt)


def _resume(runner: Runner, run_id: str, halt: Halt) -> dict[str, Any]:
    run = runner.ledger.run(run_id)
    if run["status"] == plan.COMPLETED:
        raise NameUnknown(f"Nothing to resume: the run {run['id']} has completed.")
    return runner.resume(run, jobs.find(run["job"]), halt=halt)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
