"""Rows on their way into a warehouse: those of a load that was never committed go again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loaders.columns import literal

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Run = Callable[[str], list[tuple[Any, ...]]]

ARRIVING: Final = "_arriving"
"""The table of loads that have begun to put rows into a raw table."""


def begin(run: Run, record: str, table: str, into: str, load_id: str) -> None:
    """Delete the rows of loads that were never committed, and name this one.

    Args:
        run: runs SQL in the warehouse, and gives the rows.
        record: the table ARRIVING, qualified.
        table: the raw table's name.
        into: the raw table, qualified.
        load_id: dlt's id of this load.
    """
    run(f"create table if not exists {record} (load_id varchar, table_name varchar)")
    loads = record.replace(ARRIVING, "_dlt_loads")
    here = f"table_name = {literal(table)}"
    found = run(
        f"select load_id from {record} where {here} and load_id not in "
        f"(select load_id from {loads} where status = 0)"
    )
    for (cut_off,) in found:
        discard(run, into, cut_off)
    run(
        f"begin; delete from {record} where {here}; "
        f"insert into {record} values ({literal(load_id)}, {literal(table)}); commit"
    )


def discard(run: Run, into: str, load_id: str) -> None:
    """Delete what a load brought into a raw table."""
    run(f"delete from {into} where _dlt_load_id = {literal(load_id)}")
