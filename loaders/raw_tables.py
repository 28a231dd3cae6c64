"""The raw tables of a source: their shapes, and making them before the first row comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dlt

from loaders.gate import REJECT_SHAPE, empty_rows, shape
from loaders.quarantine import HINTS, TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlt import Pipeline
    from dlt.extract import DltSource

    from loaders.shape import Shape


def shapes(source: DltSource) -> dict[str, Shape]:
    """Return the shape of each table of a source that gate one judges, by its name."""
    found = {name: shape(resource) for name, resource in source.selected_resources.items()}
    return {name: its for name, its in found.items() if its}


def make_tables(
    pipeline: Pipeline, source: DltSource, judged: Mapping[str, Shape], *, anew: bool = False
) -> None:
    """Create a source's tables where one is missing, so that models find them even when empty.

    Args:
        pipeline: the source's.
        source: whose tables.
        judged: their shapes.
        anew: have dlt learn of columns that are declared otherwise, though no table is missing.
    """
    if not anew and all(_exists(pipeline, table) for table in (*judged, TABLE)):
        return
    tables = [
        dlt.resource(
            [empty_rows(found)],
            name=name,
            columns=dict(found.hints),  # the keys are marked there
            write_disposition=resource.write_disposition,
        )
        for name, resource in source.resources.items()
        if (found := judged.get(name))
    ]
    rejects = dlt.resource([empty_rows(REJECT_SHAPE)], name=TABLE, **HINTS)
    # an empty Parquet file is more than dlt's way into PostgreSQL can take
    pipeline.run([*tables, rejects], schema=source.schema, **file_format(pipeline, "csv"))


def _exists(pipeline: Pipeline, table: str) -> bool:
    schema = pipeline.schemas.get(pipeline.pipeline_name)
    return schema is not None and table in schema.tables


def file_format(pipeline: Pipeline, name: str) -> dict[str, Any]:
    """Return how rows reach PostgreSQL; DuckDB takes Arrow as Parquet without being told."""
    is_duckdb = pipeline.destination.destination_name == "duckdb"
    return {} if is_duckdb else {"loader_file_format": name}
