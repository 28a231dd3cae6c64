"""The scheduler inside the service: a thread that starts jobs when they are due."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from orchestration import commands, jobs
from orchestration.halt import Halt
from orchestration.scheduler import Scheduler
from orchestration.service.progress_file import ProgressFile

if TYPE_CHECKING:
    from orchestration.ledger import Ledger
    from orchestration.settings import Settings


class Scheduling:
    """Runs the scheduler until the service ends; steps under way are finished first."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self.halt = Halt()
        self.held = ExitStack()
        progress = ProgressFile(settings.var / "runs")
        runner = self.held.enter_context(
            commands.working(commands.How(), settings, ledger, progress)
        )
        scheduler = Scheduler(jobs=jobs.JOBS, runner=runner, halt=self.halt, tell=runner.tell)
        self.thread = threading.Thread(target=scheduler.run, name="scheduler", daemon=True)

    @property
    def is_at_work(self) -> bool:
        """Whether jobs are started when they are due."""
        return self.thread.is_alive() and not self.halt.soon.is_set()

    def start(self) -> None:
        """Begin to look for what is due."""
        self.thread.start()

    def close(self) -> None:
        """Start nothing more, wait for the steps under way, and end the workers."""
        self.halt.ask(at_once=False)
        self.thread.join()
        self.held.close()
