"""Structured logs: JSON lines in var/logs for machines, the terminal for people who ask (-v)."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from orchestration.clock import Clock

if TYPE_CHECKING:
    from pathlib import Path

    from orchestration.events import Event

NAME: Final = "tidemill.jsonl"
ASIDE: Final = ".old"
"""Ends the name of a log that has grown too long and was put aside."""


class JsonLines:
    """A log that several processes write to, line by line, each in one piece.

    It is opened for each line: whoever held it open would go on writing to what was put aside.
    """

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.clock = clock or Clock()

    def write(self, event: str, **fields: Any) -> None:
        """Write a line: the event, its fields, and the time in UTC."""
        stamp = f"{self.clock.now():%Y-%m-%dT%H:%M:%S.%fZ}"
        line = json.dumps({**fields, "event": event, "timestamp": stamp}, default=str)
        with self.path.open("ab", buffering=0) as file:
            file.write(f"{line}\n".encode())


def lines_of(path: Path, run_id: str, at: int = 0) -> tuple[list[dict[str, Any]], int]:
    """Return what was logged of a run behind a position in bytes, and the position behind that.

    From the beginning on, what was put aside comes first.
    """
    before = [] if at else _read(path.with_name(path.name + ASIDE), run_id, 0)[0]
    if path.exists() and path.stat().st_size < at:
        at = 0  # it was put aside since
    found, end = _read(path, run_id, at)
    return before + found, end


def _read(path: Path, run_id: str, at: int) -> tuple[list[dict[str, Any]], int]:
    wanted = json.dumps(run_id).encode()
    found = []
    with suppress(FileNotFoundError), path.open("rb") as file:
        file.seek(at)
        for line in file:
            if not line.endswith(b"\n"):
                break
            at += len(line)
            with suppress(ValueError):  # a full disk leaves half a line
                if wanted in line and (entry := json.loads(line)).get("run_id") == run_id:
                    found.append(entry)
    return found, at


class LogListener:
    """Writes a line for each event of a run but its progress."""

    def __init__(self, path: Path, *, verbose: bool = False) -> None:
        self.file = JsonLines(path)
        self.terminal: Any = _terminal() if verbose else None

    def __call__(self, event: Event) -> None:
        """Write the event with its run and step."""
        if event.name == "step_progress":
            return
        fields = {key: value for key, value in event.fields.items() if key != "record"}
        if outcome := fields.pop("outcome", None):
            fields["tables"] = [vars(table) for table in outcome.tables]
            fields["deliveries"] = [vars(delivery) for delivery in outcome.deliveries]
        if "seconds" in fields:
            fields["seconds"] = round(fields["seconds"], 3)
        fields = {key: value for key, value in fields.items() if value not in (None, [])}
        names = {"run_id": event.run_id, **({"step": event.step} if event.step else {})}
        self.file.write(event.name, **names, **fields)
        if self.terminal:
            self.terminal.msg(event.name, **names, **fields)


def _terminal() -> Any:
    import structlog

    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return structlog.wrap_logger(structlog.WriteLogger(sys.stderr), processors=[stamp, renderer])
