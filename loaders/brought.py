"""What a load brought: the counts of each table, and what to tell of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loaders import package
from loaders.accounting import TableCount, table_counts

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dlt import Pipeline

    from loaders.accounting import Tally
    from loaders.shape import Shape
    from loaders.warehouse import Target


def brought(
    pipeline: Pipeline,
    target: Target,
    judged: Mapping[str, Shape],
    tally: Tally,
    *,
    left: Collection[str],
) -> tuple[list[TableCount], list[str]]:
    """Count what each committed package brought, and tell what it changed.

    Args:
        pipeline: the source's.
        target: the warehouse.
        judged: tables that gate one judges.
        tally: what this load counted.
        left: ids of earlier loads, whose counts the caller does not have yet.
    """
    source = pipeline.pipeline_name
    counts: list[TableCount] = []
    notices: list[str] = []
    committed = package.committed(pipeline)
    with target.connect() as connection:
        for load_id in committed:
            found = package.tallies(pipeline, load_id, judged)
            its = table_counts(source, load_id, found, connection)
            counts += its
            if load_id in left and (rows := sum(count.loaded for count in its)):
                notices.append(
                    f"{source}: {rows:,} rows of an earlier load ({load_id}), whose counts stood "
                    "nowhere yet, are counted here."
                )
            info = pipeline.get_load_package_info(load_id)
            notices += package.new_columns(info, source)
    return counts + _nothing_new(source, tally, committed), notices


def _nothing_new(source: str, tally: Tally, committed: Collection[str]) -> list[TableCount]:
    """Return the counts of what was read and there already, for which no package was made."""
    return [
        TableCount(source=source, table=table, read=read, loaded=0, collapsed=read, rejected=0)
        for load_id, tables in tally.read.items()
        if load_id not in committed
        for table, read in sorted(tables.items())
        if read
    ]
