"""What a run tells while it works, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something happened to a step, or to the run when `step` is empty."""

    name: str
    """run_started, step_started, step_progress, step_retrying, step_ended, run_ended."""
    run_id: str
    step: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)


class Listener(Protocol):
    """Whoever wants to hear of a run: the terminal, the log, the metrics."""

    def __call__(self, event: Event) -> None:
        """Hear one event; those of one run never come at the same time."""
