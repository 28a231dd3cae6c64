"""Raw tables that were dropped by hand: a load would go on behind what stood in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from loaders.errors import WarehouseFailed
from loaders.quarantine import TABLE as REJECTS
from loaders.raw_client import destination_client

if TYPE_CHECKING:
    from collections.abc import Collection

    from dlt import Pipeline, Schema
    from dlt.extract import DltSource


def refuse_gone(pipeline: Pipeline, source: DltSource) -> None:
    """Look whether the tables that committed loads filled are still there.

    dlt would make a missing one anew and fill it from its cursor on; of files without their list,
    all rows would come once more. Where the whole schema is gone, dlt begins anew by itself.

    Args:
        pipeline: the source's, in step with the warehouse.
        source: whose tables; those of resources that it has no more may go.

    Raises:
        WarehouseFailed: a table is gone; what was in it, and what to do.
    """
    schema = pipeline.schemas.get(pipeline.pipeline_name)
    if schema is None:
        return
    with destination_client(pipeline) as client:
        names = _filled(schema, source.resources.keys())
        missing = {name for name, found in client.get_storage_tables(names) if not found}
        if not missing:
            return
        info = client.get_stored_schema(pipeline.pipeline_name)
    made = json.loads(info.schema)["tables"].keys() if info else ()
    gone = sorted(missing.intersection(made))  # others were learnt of by a load that never came
    if gone:
        raise WarehouseFailed(_told(source.name, pipeline.dataset_name, gone))


def _filled(schema: Schema, resources: Collection[str]) -> list[str]:
    """Return the tables that hold what a load needs to find again."""
    return [
        table["name"]
        for table in schema.data_tables(seen_data_only=True)
        if schema.get_table(_root(schema, table["name"])).get("resource") in resources
        and table["name"] != REJECTS  # what was rejected before is not asked for
    ]


def _root(schema: Schema, table: str) -> str:
    parent = schema.get_table(table).get("parent")
    return _root(schema, parent) if parent else table


def _told(source: str, dataset: str, gone: list[str]) -> str:
    names = ", ".join(f"'{dataset}.{name}'" for name in gone)
    return (
        f"The warehouse lacks {names}, which earlier loads of '{source}' filled: dropped by hand? "
        "A load would bring only what is new since then, or all rows twice, so nothing was loaded. "
        "Bring it back from a backup. Or have everything read anew that the source still has: "
        f'`drop schema "{dataset}" cascade` in the warehouse, then `tidemill load {source}`.'
    )
