"""Resources that declare no columns: dlt finds their types, and their rows are counted here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import dlt
import pyarrow as pa
from dlt.extract.items_transform import BaseItemTransform, ItemTransform

from loaders.accounting import tally
from loaders.frames import frames

if TYPE_CHECKING:
    from dlt.extract import DltResource


class Count(ItemTransform[Any, Any]):
    """The step of a dlt resource that counts its rows, and names the load in tables."""

    placement_affinity: ClassVar[float] = 0.95  # where gate one stands in others

    def __init__(self, resource: DltResource) -> None:
        BaseItemTransform.__init__(self)
        self.name = resource.table_name

    def __call__(self, item: Any, meta: Any = None) -> Any:
        """Return a page as it is; tables as those of Arrow, with the id of their load."""
        if item is None:
            return None
        item, rows = _of_load(item, tally().load_id)
        if not rows:
            return item
        name = getattr(meta, "table_name", None) or self.name
        named = str(name(item[0] if isinstance(item, list) else item) if callable(name) else name)
        table = dlt.current.source_schema().naming.normalize_table_identifier(named)
        tally().add(table, read=rows, good=rows, plain=1)
        return item


def _of_load(item: Any, load_id: str) -> tuple[Any, int]:
    """Return a page and how many rows it has."""
    if pages := frames(item):
        ids = [pa.repeat(load_id, page.num_rows) for page in pages]
        named = [
            page.append_column("_dlt_load_id", its) for page, its in zip(pages, ids, strict=True)
        ]
        return named, sum(map(len, pages))
    rows = item if isinstance(item, list) else [item]
    return item, sum(len(row) if isinstance(row, list) else 1 for row in rows)
