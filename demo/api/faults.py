"""Which requests the API refuses on purpose: every n-th, so that a test knows them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILE = "faults.json"


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Every n-th request that fails, counted from the API's start; 0 is never."""

    api_throttle_every: int = 25
    """GET /users…: 429 with Retry-After."""
    crm_throttle_every: int = 11
    """POST /crm/…: 429 with Retry-After."""
    crm_unavailable_every: int = 17
    """POST /crm/…: 503, by turns before and after the batch was applied."""
    retry_after_seconds: int = 1


def write_faults(directory: Path, faults: Faults) -> None:
    """Set what a running API refuses from its next request on."""
    made = directory / f".{FILE}"
    made.write_text(json.dumps(asdict(faults)), encoding="utf-8")
    made.replace(directory / FILE)


class FaultSource:
    """Reads the setting again when its file changes, and counts requests."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._changed_at: int | None = None
        self._faults = Faults()
        self._counts = {"api": 0, "crm": 0, "unavailable": 0}

    def faults(self) -> Faults:
        """What holds now."""
        try:
            changed_at = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            return self._faults
        if changed_at != self._changed_at:
            self._faults = Faults(**json.loads(self._path.read_text(encoding="utf-8")))
            self._changed_at = changed_at
        return self._faults

    def is_api_throttled(self) -> bool:
        """Count a read of users and tell whether it is refused."""
        self._counts["api"] += 1
        return _is_nth(self._counts["api"], self.faults().api_throttle_every)

    def crm_fault(self) -> str | None:
        """Count a push and tell its fate: 'throttled', 'before', 'after' or None for none."""
        self._counts["crm"] += 1
        faults = self.faults()
        if _is_nth(self._counts["crm"], faults.crm_throttle_every):
            return "throttled"
        if _is_nth(self._counts["crm"], faults.crm_unavailable_every):
            self._counts["unavailable"] += 1
            return "before" if self._counts["unavailable"] % 2 else "after"
        return None


def _is_nth(count: int, every: int) -> bool:
    return every > 0 and count % every == 0
