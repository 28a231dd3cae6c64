"""Structured logs: JSON lines in var/logs for machines, the terminal for people who ask (-v)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

    from orchestration.events import Event


class LogListener:
    """Writes a line for each event of a run but its progress."""

    def __init__(self, path: Path, *, verbose: bool = False) -> None:
        import structlog

        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("a", encoding="utf-8")
        stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        self.loggers: list[Any] = [
            structlog.wrap_logger(
                structlog.WriteLogger(self.file),
                processors=[stamp, structlog.processors.JSONRenderer(default=str)],
            )
        ]
        if verbose:
            renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
            self.loggers.append(
                structlog.wrap_logger(
                    structlog.WriteLogger(sys.stderr), processors=[stamp, renderer]
                )
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

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
        for logger in self.loggers:
            logger.msg(event.name, **names, **fields)
        self.file.flush()
