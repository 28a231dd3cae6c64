"""The audit log: a line for each request that changes something, or tried to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.logs import JsonLines

if TYPE_CHECKING:
    from starlette.types import Scope


class Audit(JsonLines):
    """Writes when, who, what, how it ended. Bodies and tokens are never written."""

    def request(self, scope: Scope, status: int, seconds: float) -> None:
        """Write the line of one request."""
        state = scope.get("state", {})
        caller = state.get("caller")
        client = scope.get("client")
        self.write(
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
