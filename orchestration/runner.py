"""Runs a job from its beginning, or from where it stopped, under a lease and with a heartbeat."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from orchestration import lease, plan
from orchestration.events import Event
from orchestration.halt import Halt
from orchestration.heart import Heart
from orchestration.work import Work

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from datetime import datetime

    from orchestration.clock import Clock
    from orchestration.events import Listener
    from orchestration.ledger import Ledger
    from orchestration.outcome import Outcome
    from orchestration.settings import Settings
    from orchestration.steps import Request


class Executor(Protocol):
    """Whoever does the steps: `orchestration.workers.Workers`, or a test's own."""

    def warm(self, kinds: set[str]) -> None:
        """Make ready for these kinds of step."""

    def execute(
        self,
        request: Request,
        *,
        timeout: float,
        stop: threading.Event,
        emit: Callable[[dict[str, Any]], None],
    ) -> Outcome:
        """Do one step and return what it hands back."""


@dataclass(kw_only=True)
class Runner:
    """Runs jobs for one warehouse."""

    settings: Settings
    ledger: Ledger
    executor: Executor
    listeners: tuple[Listener, ...] = ()
    clock: Clock
    side_by_side: int = 4
    """At most so many steps at the same time."""

    def run(
        self,
        name: str,
        job: plan.Job,
        *,
        trigger: str = "manual",
        scheduled_for: datetime | None = None,
        halt: Halt | None = None,
    ) -> dict[str, Any]:
        """Run a job from its beginning and return its record.

        Raises:
            AlreadyRunning: a living run of this job holds the lease.
        """
        claim = lease.Claim(
            name=name,
            job=job,
            target=self.settings.target.name,
            warehouse=self.settings.target.place,
            trigger=trigger,
            scheduled_for=scheduled_for,
        )
        run_id = lease.start(self.ledger, claim, self.clock.now())
        return self._work(run_id, name, job, halt or Halt())

    def resume(
        self, run: dict[str, Any], job: plan.Job, *, halt: Halt | None = None
    ) -> dict[str, Any]:
        """Do what a run that ended early left undone, as it was begun, and return its record.

        Raises:
            AlreadyRunning: a living run of this job holds the lease.
        """
        job = replace(job, batch_size=run["batch_size"])
        lease.restart(self.ledger, run, job, now=self.clock.now())
        return self._work(run["id"], run["job"], job, halt or Halt())

    def tell_end(self, run_id: str) -> None:
        """Let the listeners hear of a run that has ended."""
        record = self.ledger.run(run_id)
        fields = {"status": record["status"], "error": record["error"], "record": record}
        self.tell("run_ended", run_id=run_id, **fields)

    def tell(self, name: str, *, run_id: str = "", step: str = "", **fields: Any) -> None:
        """Let all listeners hear of something.

        One that cannot write it down, to a full disk or a closed terminal, does not stop a run.
        """
        event = Event(name=name, run_id=run_id, step=step, fields=fields)
        for listener in self.listeners:
            with suppress(OSError):
                listener(event)

    def _work(self, run_id: str, name: str, job: plan.Job, halt: Halt) -> dict[str, Any]:
        with halt.child() as own, lease.held(run_id):
            work = Work(runner=self, run_id=run_id, name=name, job=job, halt=own)
            with Heart(self.ledger, self.clock, run_id, own):
                status, error = work.steps()
            end = lease.End(status=status, error=error, interrupted=halt.soon.is_set())
            lease.finish(self.ledger, run_id, end, self.clock.now())
        record = self.ledger.run(run_id)
        work.tell("run_ended", status=status, error=error, record=record)
        return record
