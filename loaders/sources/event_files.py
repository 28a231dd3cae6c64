"""The shop's hourly event files: CSV, JSON Lines and Parquet in one folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import dlt

from loaders.columns import columns
from loaders.readers.files import ROWS_AT_ONCE, files

if TYPE_CHECKING:
    from dlt.extract import DltResource

EVENTS: Final = columns(
    event_id="text",
    user_id="bigint",
    event_type="text",
    page_url="text",
    product_id="bigint",
    occurred_at="timestamp",
)


@dlt.source
def event_files(url: str = dlt.config.value, batch_size: int = ROWS_AT_ONCE) -> DltResource:
    """Read the event files that are new or changed since the last load.

    Args:
        url: folder, as a path or any fsspec URL.
        batch_size: rows handed over at once.
    """
    return files("events", url, pattern="events/**", columns=EVENTS, batch_size=batch_size)


if __name__ == "__main__":
    from loaders.script import main

    main("event_files")
