"""The job `replay`: both gates judge again what is in quarantine, and what passes is published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestration.outcome import Outcome, Table, carry
from orchestration.plan import Job, Step
from orchestration.steps import KINDS, writing
from orchestration.workers import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.steps import Request

JOB: Final = Job(
    description="Judge what is in quarantine again, at both gates, and publish what passes.",
    steps=(
        Step(kind="replay"),
        Step(kind="transform", needs=("replay",)),
        Step(kind="publish", needs=("transform",)),
    ),
)
OWN_KINDS: Final = {
    **KINDS,
    "replay": Kind(
        function="orchestration.service.replaying:rejects", preload=KINDS["load"].preload
    ),
}
"""The kinds of step that a process of the service knows."""


def rejects(request: Request, emit: Callable[[dict[str, Any]], None]) -> Outcome:
    """Put the open rejects of every source through gate one, as its columns are declared now."""
    from loaders import SOURCES
    from loaders.rejects import Wanted, find
    from loaders.replay import replay

    with writing(request, emit) as warehouse:
        with warehouse.connect() as connection:
            open_in = sorted({reject.source for reject in find(connection, Wanted())})
        counts = [
            count
            for source in open_in
            if source in SOURCES
            for count in replay(source, target=warehouse)
        ]
    return Outcome(tables=tuple(carry(Table, count) for count in counts))
