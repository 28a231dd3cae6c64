"""The answer that carries an export."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fastapi.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from starlette.types import Receive, Scope, Send

    from orchestration.service.export import Export, Exports


class ExportResponse(StreamingResponse):
    """Streams an export; whatever happens, the export ends with the answer.

    An export that fails half way cuts the connection, so that no caller takes a part for the whole.
    """

    def __init__(
        self,
        exports: Exports,
        export: Export,
        first: bytes | None,
        *,
        seconds: float,
        headers: Mapping[str, str],
    ) -> None:
        self.exports = exports
        self.export = export
        self.seconds = seconds
        super().__init__(self._pieces(first), headers=headers, media_type=export.format.media_type)

    async def _pieces(self, first: bytes | None) -> AsyncIterator[bytes]:
        piece = first
        while piece is not None:
            yield piece
            piece = await run_in_threadpool(self.export.read)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it."""
        try:
            async with asyncio.timeout(self.seconds):
                await super().__call__(scope, receive, send)
        finally:
            await asyncio.shield(run_in_threadpool(self.exports.finish, self.export))
