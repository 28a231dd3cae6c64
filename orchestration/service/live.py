"""A run while it works, as server-sent events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import orjson
from fastapi.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from orchestration import logs, plan
from orchestration.service import runs_read
from orchestration.service.problems import Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from orchestration.service.service import Service

LOOK: Final = 0.5
"""Seconds between two looks at the ledger."""
SILENT: Final = 15.0
"""Seconds after which a comment shows that the connection lives."""
LONGEST: Final = 6 * 3600
MOST: Final = 32
"""Streams at the same time."""


class Streams:
    """Counts the streams under way."""

    def __init__(self) -> None:
        self.open = 0

    def response(self, service: Service, run_id: str) -> StreamingResponse:
        """Return a run's stream: `run` when something changed, `log` for a line, `end`.

        Raises:
            Refused: 503, when too many streams are open.
        """
        if self.open >= MOST:
            raise Refused(503, f"{MOST} streams are open already.", {"Retry-After": "10"})
        headers = {"X-Accel-Buffering": "no"}
        return StreamingResponse(
            self._counted(service, run_id), media_type="text/event-stream", headers=headers
        )

    async def _counted(self, service: Service, run_id: str) -> AsyncIterator[bytes]:
        self.open += 1
        try:
            async for message in events(service, run_id):
                yield message
        finally:
            self.open -= 1


async def events(service: Service, run_id: str) -> AsyncIterator[bytes]:
    """Yield a run's events until it ends."""
    told, at, silent = b"", 0, 0.0
    for _ in range(int(LONGEST / LOOK)):
        run, lines, at = await run_in_threadpool(_look, service, run_id, at)
        for entry in lines:
            yield message("log", entry)
        content = orjson.dumps(run, option=orjson.OPT_UTC_Z, default=str)
        if content != told:
            yield message("run", run)
            told, silent = content, 0.0
        if run["status"] in plan.ENDED:
            yield message("end", {"id": run_id, "status": run["status"]})
            return
        silent += LOOK
        if silent >= SILENT:
            yield b": still here\n\n"
            silent = 0.0
        await asyncio.sleep(LOOK)


def _look(
    service: Service, run_id: str, at: int
) -> tuple[dict[str, Any], list[dict[str, Any]], int]:
    """Return the run, what was logged of it behind a position in the log, and the next one."""
    run = runs_read.with_progress(runs_read.one(service.ledger, run_id), service.settings)
    return run, *logs.lines_of(service.settings.logs / logs.NAME, run_id, at)


def message(name: str, content: Any) -> bytes:
    """Return one server-sent event."""
    data = orjson.dumps(content, option=orjson.OPT_UTC_Z, default=str)
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"
