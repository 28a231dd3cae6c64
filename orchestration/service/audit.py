"""The audit log: a line for each request that changes something, or tried to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Scope


class Audit:
    """Writes JSON lines: when, who, what, how it ended. Bodies and tokens are never written."""

    def __init__(self, path: Path) -> None:
        import structlog

        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("a", encoding="utf-8")
        stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        self.logger: Any = structlog.wrap_logger(
            structlog.WriteLogger(self.file),
            processors=[stamp, structlog.processors.JSONRenderer(default=str)],
        )

    def write(self, scope: Scope, status: int, seconds: float) -> None:
        """Write the line of one request."""
        state = scope.get("state", {})
        caller = state.get("caller")
        client = scope.get("client")
        self.logger.msg(
            "write",
            caller=caller.id if caller else None,
            caller_name=caller.name if caller else None,
            address=client[0] if client else None,
            method=scope["method"],
            path=scope["path"],
            status=status,
            milliseconds=round(seconds * 1000, 1),
            **state.get("audit", {}),
        )

    def close(self) -> None:
        """Give the file free."""
        self.file.close()
