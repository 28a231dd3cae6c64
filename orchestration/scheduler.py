"""Starts jobs when they are due, one run of each at a time, and stops in good order."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from orchestration import history, lease, plan
from orchestration.errors import AlreadyFired, AlreadyRunning, LedgerFailed, OrchestrationError
from orchestration.ledger_schema import SCHEDULES, upsert
from orchestration.schedule import due, next_fire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestration.halt import Halt
    from orchestration.runner import Runner
    from orchestration.schedule import Schedule

LONGEST_WAIT: Final = 30.0
"""Seconds; the machine may have slept, or its clock been set, so look at least so often."""
AWAY: Final = 5.0
"""Seconds until a ledger that did not answer is asked again."""
EVERY: Final = "every job"
PAUSE: Final = 0.5
"""Seconds between two looks while a run is under way."""


@dataclass(kw_only=True)
class Scheduler:
    """Starts what is due; its memory is the ledger."""

    jobs: Mapping[str, plan.Job]
    runner: Runner
    halt: Halt
    tell: Callable[..., None]
    """Hears of what the scheduler itself does: an event's name and fields."""
    active: dict[str, threading.Thread] = field(default_factory=dict)
    has_begun: bool = False
    """Whether what an earlier scheduler left was taken up."""

    def __post_init__(self) -> None:
        self.scheduled = {
            name: (job, job.schedule) for name, job in self.jobs.items() if job.schedule
        }
        self.warehouse = self.runner.settings.target.place
        self.complained: set[tuple[str, str]] = set()

    def run(self) -> None:
        """Work until asked to stop; runs under way finish their steps."""
        clock = self.runner.clock
        self.runner.executor.warm(
            {step.kind for job, _ in self.scheduled.values() for step in job.steps}
        )
        try:
            while not self.halt.soon.is_set():
                clock.wait(self.halt.soon, self.look(clock.now()))
        finally:
            self.halt.ask(at_once=False)
            for thread in list(self.active.values()):
                thread.join()

    def look(self, now: datetime) -> float:
        """Start what is due; return the seconds until the next look.

        A ledger that is away for a while is waited for.
        """
        try:
            if not self.has_begun:
                self.go_on(now)
                self.has_begun = True
            self.tick(now)
        except LedgerFailed as error:
            self._complain(EVERY, now, str(error))
            return AWAY
        self._forgive(EVERY)
        return self.pause(now)

    def pause(self, now: datetime) -> float:
        """Return the seconds until the next look."""
        if any(thread.is_alive() for thread in self.active.values()):
            return PAUSE
        times = [next_fire(schedule, now) for _, schedule in self.scheduled.values()]
        return min([LONGEST_WAIT, *((time - now).total_seconds() for time in times)])

    def tick(self, now: datetime) -> None:
        """Start every job that is due and free."""
        for run_id in lease.bury(self.runner.ledger, now):
            self.runner.tell_end(run_id)
        for name, (job, schedule) in self.scheduled.items():
            handled = self.handled(name, schedule, now)
            if times := due(schedule, handled=handled, now=now):
                self._consider(name, job, schedule, times)

    def go_on(self, now: datetime) -> None:
        """Take up again what a stop or a crash interrupted, unless it is too old."""
        for name, (job, schedule) in self.scheduled.items():
            run = next(iter(self.runner.ledger.runs(1, job=name, warehouse=self.warehouse)), None)
            if run and self._is_ours(run, now - timedelta(seconds=schedule.max_age)):
                self._start(name, partial(self.runner.resume, run, job, halt=self.halt))

    def _is_ours(self, run: Mapping[str, Any], oldest: datetime) -> bool:
        """Tell whether a run was started by a scheduler, cut short, and is young enough."""
        is_cut = run["interrupted"] and run["trigger"] == "schedule"
        return bool(is_cut and run["started_at"] >= oldest)

    def handled(self, name: str, schedule: Schedule, now: datetime) -> datetime:
        """Return the newest time of a job that was dealt with; for a new or edited one, now."""
        key = {"job": name, "warehouse": self.warehouse}
        definition = repr(schedule)
        query = sa.select(SCHEDULES).filter_by(**key)
        with self.runner.ledger.transaction() as connection:
            row = connection.execute(query).first()
            if row and row.definition == definition:
                found: datetime = row.handled_until
                return found
            values = {**key, "definition": definition, "handled_until": now}
            upsert(connection, SCHEDULES, values)
            return now

    def _consider(
        self, name: str, job: plan.Job, schedule: Schedule, times: list[datetime]
    ) -> None:
        if self._is_busy(name):
            if schedule.overlap == "skip":
                self._handle(name, times[-1])
                self.tell("fire_skipped", job=name, time=times[-1], reason="still running")
            return
        if reason := self._unmet(name, job):
            self._complain(name, times[0], reason)
            return
        self._handle(name, times[0])
        self._start(name, lambda: self._fire(name, job, times[0]))

    def _complain(self, name: str, time: datetime, reason: str) -> None:
        """Tell once why a time has to wait."""
        if (name, reason) not in self.complained:
            self.complained.add((name, reason))
            self.tell("fire_waits", job=name, time=time, reason=reason)

    def _forgive(self, name: str) -> None:
        """Let what is in a job's way from now on be told again."""
        self.complained = {entry for entry in self.complained if entry[0] != name}

    def waiting(self) -> dict[str, int]:
        """Return how many runs of each job are due and have not been started."""
        now = self.runner.clock.now()
        return {
            name: len(due(schedule, handled=self.handled(name, schedule, now), now=now))
            for name, (_, schedule) in self.scheduled.items()
        }

    def _is_busy(self, name: str) -> bool:
        thread = self.active.get(name)
        return thread is not None and thread.is_alive()

    def _unmet(self, name: str, job: plan.Job) -> str:
        now = self.runner.clock.now()
        return plan.unmet(name, job, history.successes(self.runner.ledger, self.warehouse), now)

    def _handle(self, name: str, time: datetime) -> None:
        key = (SCHEDULES.c.job == name, SCHEDULES.c.warehouse == self.warehouse)
        with self.runner.ledger.transaction() as connection:
            connection.execute(SCHEDULES.update().where(*key).values(handled_until=time))

    def _start(self, name: str, work: Callable[[], Any]) -> None:
        thread = threading.Thread(target=self._guarded, args=(name, work), name=name)
        self.active[name] = thread
        thread.start()

    def _fire(self, name: str, job: plan.Job, time: datetime) -> None:
        """Run a job; while a run that was started elsewhere is at work, a queued time waits."""
        try:
            self.runner.run(name, job, trigger="schedule", scheduled_for=time, halt=self.halt)
        except AlreadyRunning as error:
            if job.schedule is None or job.schedule.overlap == "skip":
                raise
            self._handle(name, time - timedelta(microseconds=1))
            self._complain(name, time, str(error))
            return
        self._forgive(name)

    def _guarded(self, name: str, work: Callable[[], Any]) -> None:
        """Run a job; what keeps it from starting is told, and the scheduler goes on."""
        try:
            work()
        except AlreadyFired:
            self.tell("fire_skipped", job=name, reason="another scheduler has started it")
        except AlreadyRunning as error:
            self.tell("fire_skipped", job=name, reason=str(error))
        except OrchestrationError as error:
            self.tell("fire_failed", job=name, error=str(error))
