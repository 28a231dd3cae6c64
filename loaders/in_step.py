"""Whether the warehouse still holds what a source's cursors say: somebody may have put hands on it.

dlt would make a table that was dropped anew and fill it from its cursor on; of files without their
list, all rows would come once more. Where a backup was restored, it would go on behind what is
missing. Only where a whole schema is gone does it begin anew by itself.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dlt.destinations.exceptions import DatabaseUndefinedRelation

from loaders.errors import WarehouseFailed
from loaders.quarantine import TABLE as REJECTS

if TYPE_CHECKING:
    from collections.abc import Collection

    from dlt import Pipeline, Schema
    from dlt.extract import DltSource


def check_tables(client: Any, pipeline: Pipeline, source: DltSource) -> None:
    """Look whether the tables that committed loads filled are there.

    Args:
        client: dlt's, of the warehouse.
        pipeline: the source's, synchronised with the warehouse.
        source: whose tables are looked for; those of resources that it has no more may go.

    Raises:
        WarehouseFailed: one is gone; what to do.
    """
    schema = pipeline.schemas.get(pipeline.pipeline_name)
    if schema and (gone := _gone(client, schema, source.resources.keys())):
        raise WarehouseFailed(_told(source.name, pipeline.dataset_name, gone))


def is_ahead(client: Any, pipeline: Pipeline) -> bool:
    """Tell whether this machine remembers more than the warehouse and what waits to be loaded."""
    stored = _stored_version(client, pipeline.pipeline_name)
    waiting = [*pipeline.list_extracted_load_packages(), *pipeline.list_normalized_load_packages()]
    return stored is not None and pipeline.state["_state_version"] > stored + len(waiting)


def _stored_version(client: Any, name: str) -> int | None:
    try:
        found = client.get_stored_state(name)
    except DatabaseUndefinedRelation:
        return None
    return int(found.version) if found else None


def _gone(client: Any, schema: Schema, resources: Collection[str]) -> list[str]:
    filled = {str(table["name"]) for table in schema.data_tables(seen_data_only=True)}
    ours = {name for name in filled if _resource(schema, name) in resources}
    ours.discard(REJECTS)  # what was rejected before is not asked for
    missing = {name for name, columns in client.get_storage_tables(sorted(ours)) if not columns}
    if not missing:
        return []
    stored = client.get_stored_schema(schema.name)
    made = json.loads(stored.schema)["tables"].keys() if stored else ()
    return sorted(missing.intersection(made))  # of others only a load that never came had learnt


def _resource(schema: Schema, table: str) -> str:
    """Return the resource that a table, or the one it hangs on, comes from."""
    found = schema.get_table(table)
    parent = found.get("parent")
    return _resource(schema, parent) if parent else str(found.get("resource"))


def _told(source: str, dataset: str, gone: list[str]) -> str:
    names = ", ".join(f"'{dataset}.{name}'" for name in gone)
    return (
        f"The warehouse lacks {names}, which earlier loads of '{source}' filled: dropped by hand? "
        "A load would bring only what is new since then, or all rows twice, so nothing was loaded. "
        "Bring it back from a backup. Or have everything read anew that the source still has: "
        f'`drop schema "{dataset}" cascade` in the warehouse, then `tidemill load {source}`.'
    )
