"""One run under way: which step starts when, tried how often, and how each ended."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestration import history, plan
from orchestration.errors import Cancelled, OrchestrationError, StepFailed
from orchestration.steps import Request

if TYPE_CHECKING:
    from orchestration.halt import Halt
    from orchestration.outcome import Outcome
    from orchestration.runner import Runner


@dataclass(kw_only=True)
class Work:
    """One run under way."""

    runner: Runner
    run_id: str
    name: str
    job: plan.Job
    halt: Halt

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.errors: dict[str, str] = {}
        self.details: dict[str, Any] = {}
        self.waited: dict[str, float] = {}

    def steps(self) -> tuple[str, str | None]:
        """Do all steps that can be done; return the run's status and error."""
        record = self.runner.ledger.run(self.run_id)["steps"]
        statuses = {step["name"]: step["status"] for step in record}
        self.details = {step["name"]: step["detail"] or {} for step in record}
        left = [step for step in self.job.steps if statuses[step.name] == plan.PENDING]
        self.tell("run_started", job=self.name, steps=[step.name for step in left])
        # What may find nothing to do is made ready when there is something to do.
        self.runner.executor.warm({step.kind for step in left if not step.only_new})
        running: dict[Future[str], plan.Step] = {}
        with ThreadPoolExecutor(self.runner.side_by_side) as pool:
            while True:
                self._start_ready(pool, running, statuses)
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    statuses[running.pop(future).name] = future.result()
        return self._end(statuses)

    def _start_ready(
        self,
        pool: ThreadPoolExecutor,
        running: dict[Future[str], plan.Step],
        statuses: dict[str, str],
    ) -> None:
        while left_out := plan.stranded(self.job.steps, statuses):
            for step in left_out:
                self._skip(step, statuses)
        for step in plan.ready(self.job.steps, statuses) if not self.halt.soon.is_set() else ():
            statuses[step.name] = plan.RUNNING
            running[pool.submit(self._step, step)] = step

    def _skip(self, step: plan.Step, statuses: dict[str, str]) -> None:
        failed = plan.ENDED - {plan.COMPLETED}
        blockers = [need for need in step.needs if statuses[need] in failed]
        reason = f"Left out: it stands on '{blockers[0]}', which has not completed."
        status = plan.CANCELLED if self.halt.soon.is_set() else plan.SKIPPED
        statuses[step.name] = status
        self.runner.ledger.update_step(self.run_id, step.name, status=status, error=reason)
        self.tell("step_ended", step.name, status=status, error=reason, seconds=0.0)

    def _step(self, step: plan.Step) -> str:
        """Do one step, again when that makes sense; record and return its status."""
        begun = self.runner.clock.monotonic()
        self._note(step, status=plan.RUNNING, started_at=self.runner.clock.now())
        self.tell("step_started", step.name, kind=step.kind)
        try:
            outcome = self._attempts(step)
        except Exception as error:  # noqa: BLE001  recorded, shown, and judged by the run
            return self._failed(step, error, self._seconds(step, begun))
        seconds = self._seconds(step, begun)
        self.runner.ledger.complete_step(
            self.run_id,
            step.name,
            outcome,
            seconds=seconds,
            completed_at=self.runner.clock.now(),
        )
        self.details[step.name] = outcome.detail
        if outcome.brought_something():
            self.runner.executor.warm({other.kind for other in self.job.steps})
        self.tell("step_ended", step.name, status=plan.COMPLETED, seconds=seconds, outcome=outcome)
        return plan.COMPLETED

    def _seconds(self, step: plan.Step, begun: float) -> float:
        return self.runner.clock.monotonic() - begun - self.waited.get(step.name, 0.0)

    def _attempts(self, step: plan.Step) -> Outcome:
        retry = step.retry or self.job.retry
        for attempt in range(1, retry.attempts + 1):
            self._note(step, attempts=attempt)
            try:
                return self._attempt(step, attempt)
            except OrchestrationError as error:
                if done := getattr(error, "outcome", None):
                    self.runner.ledger.count(self.run_id, done)
                again = getattr(error, "can_be_retried", error.retryable)
                if not again or attempt == retry.attempts:
                    raise
                self._pause(step, attempt, retry, error)
        raise StepFailed(f"The step '{step.name}' may be tried 0 times. Allow one at least.")

    def _attempt(self, step: plan.Step, attempt: int) -> Outcome:
        request = Request(
            run_id=self.run_id,
            job=self.name,
            step=step.name,
            kind=step.kind,
            argument=step.argument,
            target=self.runner.settings.target.name,
            artifacts=self.runner.settings.artifacts(self.run_id),
            attempt=attempt,
            batch_size=self.job.batch_size,
            timeout=step.timeout,
            recorded=self._recorded(step),
            idle=history.idle_loads(self.runner.ledger) if step.only_new else (),
            only_new=step.only_new,
            before=history.last_detail(self.runner.ledger, self.run_id, step),
            needs=tuple(self.details.get(need, {}) for need in step.needs),
        )
        return self.runner.executor.execute(
            request,
            timeout=step.timeout,
            stop=self.halt.now,
            emit=lambda fields: self._progress(step, fields),
        )

    def _recorded(self, step: plan.Step) -> tuple[str, ...]:
        if step.kind not in plan.LOADING:
            return ()
        source = step.argument.partition(" ")[0].partition(".")[0]
        return history.recorded_loads(self.runner.ledger, source)

    def _progress(self, step: plan.Step, fields: dict[str, Any]) -> None:
        """Pass on what a step tells; the time it stood in line is not its own.

        What it has `brought` is counted at once: it stands, whatever becomes of the step.
        """
        self.waited[step.name] = self.waited.get(step.name, 0.0) + fields.get("waited", 0.0)
        if "brought" in fields:
            self.runner.ledger.count(self.run_id, fields["brought"])
        elif "waited" not in fields:
            self.tell("step_progress", step.name, **fields)

    def _pause(
        self, step: plan.Step, attempt: int, retry: plan.Retry, error: OrchestrationError
    ) -> None:
        seconds = retry.pause(attempt)
        self.tell("step_retrying", step.name, attempt=attempt, seconds=seconds, error=str(error))
        if self.runner.clock.wait(self.halt.soon, seconds):
            raise Cancelled(f"The step '{step.name}' was ended on request.") from error

    def _failed(self, step: plan.Step, error: Exception, seconds: float) -> str:
        status = plan.CANCELLED if isinstance(error, Cancelled) else plan.FAILED
        message = str(error)
        if self.job.may_be_left_out and (busy := getattr(error, "detail", {}).get("busy")):
            status = plan.CANCELLED
            message = f"Left to the next run: others wrote to the warehouse for {busy:.0f} s."
        self.errors[step.name] = message
        self._note(
            step,
            status=status,
            error=message,
            seconds=seconds,
            completed_at=self.runner.clock.now(),
            detail=dict(getattr(error, "detail", None) or {}),
        )
        trace = {"exception": text} if (text := getattr(error, "traceback", "")) else {}
        self.tell("step_ended", step.name, status=status, error=message, seconds=seconds, **trace)
        return status

    def _end(self, statuses: dict[str, str]) -> tuple[str, str | None]:
        for name in [name for name, status in statuses.items() if status == plan.PENDING]:
            self.runner.ledger.update_step(self.run_id, name, status=plan.CANCELLED)
        status = plan.verdict(statuses.values())
        if self.halt.soon.is_set() and status == plan.CANCELLED:
            return status, "Cancelled on request. `tidemill resume` does what is missing."
        failed = [name for name in statuses if name in self.errors]
        return status, f"{failed[0]}: {self.errors[failed[0]]}" if failed else None

    def _note(self, step: plan.Step, **values: Any) -> None:
        self.runner.ledger.update_step(self.run_id, step.name, **values)

    def tell(self, name: str, step: str = "", **fields: Any) -> None:
        """Let all listeners hear of something of this run, one at a time."""
        with self.lock:
            self.runner.tell(name, run_id=self.run_id, step=step, **fields)
