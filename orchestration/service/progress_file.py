"""How far the steps of a run are, in a small file that the service shows while the run works."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any, Final

from orchestration.clock import Clock

if TYPE_CHECKING:
    from pathlib import Path

    from orchestration.events import Event

PAUSE: Final = 0.25
"""Seconds between two writes."""
NAME: Final = "progress.json"


class ProgressFile:
    """A listener that keeps `progress.json` in the run's folder."""

    def __init__(self, runs: Path, clock: Clock | None = None) -> None:
        self.runs = runs
        self.clock = clock or Clock()
        self.steps: dict[str, dict[str, dict[str, Any]]] = {}
        """Run → step → what it told last."""
        self._written: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        """Note what a step tells of itself."""
        run, now = event.run_id, self.clock.monotonic()
        if event.name == "run_ended":
            self.steps.pop(run, None)
            self._written.pop(run, None)
        if event.name != "step_progress":
            return
        steps = self.steps.setdefault(run, {})
        self._note(steps.setdefault(event.step, {}), event)
        if now - self._written.get(run, now - PAUSE) >= PAUSE:
            self._written[run] = now
            self._write(self.runs / run, steps)

    def _note(self, step: dict[str, Any], event: Event) -> None:
        fields = dict(event.fields)
        if "table" in fields:
            step.setdefault("rows", {})[str(fields["table"])] = fields.get("rows", 0)
        elif "nodes" in fields:  # dbt's: how many models and tests there are
            step.update(done=0, total=fields["nodes"])
        elif "node" in fields:
            is_over = fields.get("state") != "started"
            step.update(done=step.get("done", 0) + is_over, now=fields["node"])
        else:
            step.update(fields)

    def _write(self, folder: Path, steps: dict[str, dict[str, Any]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f"{NAME}.{os.getpid()}.tmp"
        aside.write_text(json.dumps(steps, default=str), encoding="utf-8")
        aside.replace(folder / NAME)


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what is known of a run's steps; nothing when nothing was told."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}
