"""Sources whose loads take long enough to be killed in the middle."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import dlt

from loaders.columns import columns
from loaders.cursor import cursor
from loaders.readers.database import table
from loaders.readers.files import files
from loaders.readers.queue import Batch, messages
from loaders.readers.redis_stream import RedisStream

if TYPE_CHECKING:
    from dlt.extract import DltResource

SALES = columns(id="bigint", name="text", amount="decimal(18, 2)", day="date")
ROWS = columns(id="bigint", name="text", amount="decimal(18, 2)", updated_at="timestamp")
NOTES = columns(message_id="text", id="bigint", text="text")


@dlt.source
def kill_files(folder: str = dlt.config.value, batch_size: int = 500_000) -> DltResource:
    """Files of a folder."""
    return files("sales", folder, columns=SALES, batch_size=batch_size)


@dlt.source
def kill_db(
    url: str = dlt.config.value,
    batch_size: int = 20_000,
    sweep_deletes: bool = False,
    allow_shrink: bool = False,
    parallel: int = 1,
) -> tuple[DltResource, ...]:
    """Two tables of a database."""
    return tuple(
        table(
            name,
            url,
            key="id",
            columns=ROWS,
            cursor=cursor("updated_at"),
            batch_size=batch_size,
            deleted_at="deleted_at",
            sweep_deletes=sweep_deletes,
            allow_shrink=allow_shrink,
            parallel=parallel,
        )
        for name in ("orders", "items")
    )


@dlt.source
def kill_queue(
    url: str = dlt.config.value, batch_size: int = 700, consumer: str = "tidemill"
) -> DltResource:
    """Messages of a stream."""
    connect: Any = partial(RedisStream, url, "notes", "tidemill", consumer=consumer)
    batch = Batch(at_once=batch_size, messages=3000)
    return messages("notes", connect, columns=NOTES, batch=batch)
