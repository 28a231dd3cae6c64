"""What a job is, and which of its steps may start, must be left out, or decide how it ended."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from orchestration.errors import JobInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from orchestration.schedule import Schedule

PENDING: Final = "pending"
RUNNING: Final = "running"
COMPLETED: Final = "completed"
PARTIAL: Final = "partial"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
SKIPPED: Final = "skipped"
"""Only for a step: what it stands on failed, so it was never started."""

ENDED: Final = frozenset({COMPLETED, PARTIAL, FAILED, CANCELLED, SKIPPED})


LOADING: Final = frozenset({"load", "sweep", "backfill", "replay"})
"""The kinds of step that bring rows."""


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How often a step is tried when its error can be retried, and how long to wait between."""

    attempts: int = 3
    wait: float = 60.0
    """Seconds before the second attempt; doubled for each one after it."""
    longest: float = 900.0
    """No wait is longer than so many seconds."""

    def pause(self, attempt: int, chance: float | None = None) -> float:
        """Return the seconds to wait after a failed attempt: exponential, 0 to 25 % jitter added.

        Args:
            attempt: the attempt that just failed, from 1.
            chance: a number in [0, 1) in place of a random one.
        """
        share = random.random() if chance is None else chance  # noqa: S311  jitter is no secret
        return min(self.longest, self.wait * 2.0 ** (attempt - 1)) * (1 + share / 4)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One restartable unit of work."""

    kind: str
    """What to do: a name in `orchestration.steps.KINDS`."""
    argument: str = ""
    """What to do it with: a source, an output, a selection of models."""
    needs: tuple[str, ...] = ()
    """Names of the steps that must have completed before this one starts."""
    after: tuple[str, ...] = ()
    """Names of the steps that must have ended, in whatever way, before this one starts."""
    only_new: bool = False
    """Leave the work of last time as it is when nothing new has come since (transform)."""
    timeout: float = 3600.0
    """Seconds after which an attempt is ended, with its children."""
    retry: Retry | None = None
    """In place of the job's."""

    @property
    def name(self) -> str:
        """The step's name in its job, `load shop_api`."""
        return f"{self.kind} {self.argument}".strip()


@dataclass(frozen=True, kw_only=True)
class Need:
    """Another job that must have completed, at all or lately, before a job starts."""

    job: str
    within: float | None = None
    """Seconds; None: it must just have completed at some time."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Steps that run together, in the order that their needs ask for."""

    steps: tuple[Step, ...]
    description: str = ""
    retry: Retry = field(default_factory=Retry)
    schedule: Schedule | None = None
    """When the scheduler starts it; without one it is started by hand."""
    needs: tuple[Need, ...] = ()
    """Other jobs that must have completed before."""
    batch_size: int | None = None
    """At most so many items in one batch, where a step works in batches."""

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        _refuse_doubles(names)
        for position, step in enumerate(self.steps):
            _refuse_unknown(step, names[:position])

    @property
    def may_be_left_out(self) -> bool:
        """Whether a run is no loss because the next one does its work: of a micro-batch, say."""
        return self.schedule is not None and self.schedule.catch_up == "none"

    def names(self) -> list[str]:
        """Return the names of all steps in their order."""
        return [step.name for step in self.steps]


def _refuse_doubles(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise JobInvalid(f"Two steps are named '{name}'. Give one another argument.")


def _refuse_unknown(step: Step, earlier: Sequence[str]) -> None:
    for need in (*step.needs, *step.after):
        if need not in earlier:
            raise JobInvalid(
                f"The step '{step.name}' needs '{need}', which is no step before it. "
                f"Steps before it: {', '.join(earlier) or 'none'}."
            )


def ready(steps: Iterable[Step], statuses: Mapping[str, str]) -> list[Step]:
    """Return the pending steps that wait for no other any more."""
    return [
        step
        for step in steps
        if statuses[step.name] == PENDING
        and all(statuses[need] == COMPLETED for need in step.needs)
        and all(statuses[other] in ENDED for other in step.after)
    ]


def stranded(steps: Iterable[Step], statuses: Mapping[str, str]) -> list[Step]:
    """Return the pending steps that stand on one that ended without completing."""
    return [
        step
        for step in steps
        if statuses[step.name] == PENDING
        and any(statuses[need] in ENDED - {COMPLETED} for need in step.needs)
    ]


def unmet(name: str, job: Job, successes: Mapping[str, datetime], now: datetime) -> str:
    """Say which of a job's needs is not met, or ''.

    Args:
        name: the job's.
        job: the job.
        successes: when each job last completed.
        now: the time.
    """
    for need in job.needs:
        last = successes.get(need.job)
        if last is None:
            return f"'{name}' needs '{need.job}', which has never completed."
        age = (now - last).total_seconds()
        if need.within is not None and age > need.within:
            return (
                f"'{name}' needs '{need.job}' to have completed within {need.within / 3600:g} h; "
                f"it last did at {last:%Y-%m-%d %H:%M} UTC."
            )
    return ""


def verdict(statuses: Iterable[str]) -> str:
    """Return the status of a run whose steps ended so.

    `failed`: a step failed and others had to be left out. `partial`: steps failed, nothing stood
    on them, and everything else is done.
    """
    seen = set(statuses)
    if CANCELLED in seen or PENDING in seen or RUNNING in seen:
        return CANCELLED
    if SKIPPED in seen or seen == {FAILED}:
        return FAILED
    return PARTIAL if FAILED in seen else COMPLETED
