"""What can go wrong while jobs run.

OrchestrationError
 ├─ SettingWrong        a setting of the runner cannot be used
 ├─ NameUnknown         no job, step, source, output or run of that name
 ├─ JobInvalid          a job's steps do not fit together
 ├─ AlreadyRunning      another run holds the job's lease (can be retried)
 ├─ AlreadyFired        this time of the schedule has had its run
 ├─ NeedUnmet           another job has to succeed first
 ├─ LedgerFailed        the ledger cannot be opened or written to
 ├─ StepFailed          a step could not be done (its cause says whether it can be retried)
 ├─ ModelsFailed        dbt could not build what was asked, or a test failed
 │   └─ NothingBuilt    it could not even begin, and the models stand as they were
 ├─ StepTimedOut        a step did not end in time (can be retried)
 ├─ StepDied            a step's process ended without a word (can be retried)
 └─ Cancelled           somebody asked the run to stop
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from orchestration.outcome import Outcome


class OrchestrationError(Exception):
    """A job could not be run; the message says what failed, what was found, and what to do."""

    retryable: ClassVar[bool] = False


class SettingWrong(OrchestrationError):
    """A setting of the runner cannot be used."""


class NameUnknown(OrchestrationError):
    """There is no job, step, source, output or run of that name."""


class JobInvalid(OrchestrationError):
    """A job's steps do not fit together."""


class AlreadyRunning(OrchestrationError):
    """Another run holds the job's lease."""

    retryable = True


class AlreadyFired(OrchestrationError):
    """This time of the schedule has had its run."""


class NeedUnmet(OrchestrationError):
    """Another job has to succeed first."""


class LedgerFailed(OrchestrationError):
    """The ledger cannot be opened or written to."""


class StepFailed(OrchestrationError):
    """A step could not be done."""

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = False,
        detail: Any = None,
        traceback: str = "",
        outcome: Outcome | None = None,
    ) -> None:
        super().__init__(message)
        self.can_be_retried = retryable
        self.detail = detail or {}
        self.traceback = traceback
        self.outcome = outcome
        """What was done all the same, such as items sent before the far side went away."""


class ModelsFailed(OrchestrationError):
    """dbt could not build what was asked, or a test failed."""

    def __init__(self, message: str, detail: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.detail = detail or {}


class NothingBuilt(ModelsFailed):
    """Dbt could not begin to build, and the models stand as they were."""


class StepTimedOut(OrchestrationError):
    """A step did not end in time."""

    retryable = True


class StepDied(OrchestrationError):
    """A step's process ended without a word."""

    retryable = True


class Cancelled(OrchestrationError):
    """Somebody asked the run to stop."""


def unknown(what: str, name: str, known: object) -> NameUnknown:
    """Return the error for a name that nobody bears, with the names that exist."""
    names = ", ".join(sorted(known)) if isinstance(known, (dict, list, tuple, set)) else str(known)
    return NameUnknown(f"No {what} named '{name}'. Known: {names or 'none'}. Check the spelling.")
