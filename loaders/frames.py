"""Pages that are tables already: of Arrow, pandas, polars, or what else hands out Arrow."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

READ_BY: Final = ("__arrow_c_stream__", "collect_schema", "iloc")
"""What tells a frame: Arrow's stream, a LazyFrame of polars, pandas."""


def frames(page: Any) -> list[pa.Table]:
    """Return a page, or the list of them that it is, as Arrow tables; [] of a page of rows."""
    listed = page if isinstance(page, list) else [page]
    is_table = bool(listed) and any(hasattr(listed[0], name) for name in READ_BY)
    return [_arrow(one) for one in listed] if is_table else []


def _arrow(frame: Any) -> pa.Table:
    if isinstance(frame, pa.Table):
        return frame
    if hasattr(frame, "iloc"):  # its index is no column, as for dlt
        return pa.Table.from_pandas(frame, preserve_index=False)
    if not hasattr(frame, "__arrow_c_stream__"):
        frame = frame.collect()
    # polars' stream has its texts as views, which dlt does not take
    return frame.to_arrow() if hasattr(frame, "to_arrow") else pa.table(frame)
