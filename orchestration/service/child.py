"""A run that the service started: a process of its own, which outlives the service.

`python -m orchestration.service.child run <job>` or `… resume <run>`.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchestration import commands, jobs
from orchestration.errors import AlreadyRunning, OrchestrationError
from orchestration.halt import on_signals
from orchestration.service.progress_file import ProgressFile

if TYPE_CHECKING:
    from orchestration.halt import Halt

POLITE: Final = 5
"""How much a run steps back behind the service that answers meanwhile."""


def main(what: str, name: str) -> int:
    """Run a job or resume a run; return the exit code."""
    _step_back()
    halt = on_signals(patient=False)
    try:
        run = _work(what, name, halt)
    except OrchestrationError as error:
        sys.stderr.write(f"{error}\n")
        return os.EX_TEMPFAIL if isinstance(error, AlreadyRunning) else 1
    return commands.exit_code(run)


def _step_back() -> None:
    """Leave the processor to whoever answers requests meanwhile.

    Linux weighs sessions against each other (autogroups), and this is a session of its own.
    """
    os.nice(POLITE)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(POLITE), encoding="ascii")


def _work(what: str, name: str, halt: Halt) -> dict[str, Any]:
    how = commands.How()
    with commands.opened(None, bury=False) as (current, ledger):
        progress = ProgressFile(current.var / "runs")
        with commands.working(how, current, ledger, progress) as runner:
            if what == "resume":
                return commands.go_on(runner, name, how, halt)
            return runner.run(name, jobs.find(name), trigger="api", halt=halt)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
