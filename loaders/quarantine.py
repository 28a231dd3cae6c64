"""Rejected rows: the table that records them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import dlt

from loaders.columns import columns
from loaders.dispositions import KEEP_FIRST

if TYPE_CHECKING:
    import pyarrow as pa

TABLE: Final = "_rejects"
COLUMNS: Final = columns(
    reject_id="text",
    table_name="text",
    reason="text",
    payload="text",
    origin="text",
    position="text",
    rejected_at="timestamp",
)
HINTS: Final[dict[str, Any]] = {
    "columns": COLUMNS,
    "primary_key": "reject_id",
    # what was rejected once is not rejected anew when the source is read again
    "write_disposition": KEEP_FIRST,
}


def rejected(rows: pa.Table) -> Any:
    """Return rejects as a dlt item that goes to the table `_rejects`."""
    return dlt.mark.with_table_name(rows, TABLE)
