"""Rejected rows: the table that records them."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import md5
from typing import TYPE_CHECKING, Any, Final

import dlt
import pyarrow as pa

from loaders.columns import columns
from loaders.dispositions import KEEP_FIRST

if TYPE_CHECKING:
    from collections.abc import Sequence

TABLE: Final = "_rejects"
SHOWN_NUL: Final = r"\u0000"
"""How the character NUL stands in a reject, as JSON writes it: PostgreSQL has no place for it."""
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


def rejects(table: str, found: Sequence[dict[str, str]], *, load_id: str) -> Any:
    """Return what a reader itself refuses as a dlt item that goes to the table `_rejects`.

    Of two with the same payload each is one, by its position.

    Args:
        table: the raw table that the rows were meant for.
        found: for each row its reason, payload, origin and position.
        load_id: dlt's id of the load.
    """
    now = datetime.fromtimestamp(float(load_id), UTC)
    rows = [
        {
            "reject_id": _reject_id(table, one["position"], one["payload"]),
            "table_name": table,
            **{name: text.replace("\0", SHOWN_NUL) for name, text in one.items()},
            "rejected_at": now,
            "_dlt_load_id": load_id,
        }
        for one in found
    ]
    return rejected(pa.Table.from_pylist(rows))


def _reject_id(*parts: str) -> str:
    """Return the id that is the same whenever a row is read again."""
    return md5("|".join(parts).encode(), usedforsecurity=False).hexdigest()
