"""The scheduler inside the service: a thread that starts jobs when they are due."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from orchestration import jobs
from orchestration.aftermath import Aftermath
from orchestration.clock import Clock
from orchestration.events import Event
from orchestration.halt import Halt
from orchestration.logs import LogListener
from orchestration.runner import Runner
from orchestration.scheduler import Scheduler
from orchestration.service.progress_file import ProgressFile
from orchestration.steps import KINDS
from orchestration.workers import Workers

if TYPE_CHECKING:
    from orchestration.ledger import Ledger
    from orchestration.settings import Settings


class Scheduling:
    """Runs the scheduler until the service ends; steps under way are finished first."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        clock = Clock()
        self.halt = Halt()
        self.log = LogListener(settings.logs / "tidemill.jsonl")
        self.workers = Workers(KINDS, settings.logs / "workers.log")
        runner = Runner(
            settings=settings,
            ledger=ledger,
            executor=self.workers,
            listeners=(
                self.log,
                ProgressFile(settings.var / "runs"),
                Aftermath(settings, ledger, clock, self.log),
            ),
            clock=clock,
        )
        scheduler = Scheduler(jobs=jobs.JOBS, runner=runner, halt=self.halt, tell=self._tell)
        self.thread = threading.Thread(target=scheduler.run, name="scheduler", daemon=True)

    def start(self) -> None:
        """Begin to look for what is due."""
        self.thread.start()

    def _tell(self, name: str, **fields: Any) -> None:
        self.log(Event(name=name, run_id="", fields=fields))

    def close(self) -> None:
        """Start nothing more, wait for the steps under way, and end the workers."""
        self.halt.ask(at_once=False)
        self.thread.join()
        self.workers.close()
        self.log.file.close()
