"""What must be where after days 1 to n, computed from the clean entities and the dirt done to them.

Every table is in the schema `truth` of an in-memory DuckDB. Nothing here reads what the shop
published, and nothing repeats the dbt models: a version of an entity is clean, stopped by the
loader or stopped by a rule because the world made it so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo.errors import ShopError
from demo.state import read_state, world_of
from demo.truth_sql import STATEMENTS

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb


def truth(directory: Path, day: int) -> duckdb.DuckDBPyConnection:
    """The expected tables after loading each of the days 1 to `day` on its day.

    Args:
        directory: The shop's directory.
        day: The last day that was loaded; at most the shop's own.

    Returns:
        A connection with these tables in schema `truth`: raw_counts, rejects, staging_counts,
        quarantine_counts (exact row counts), quarantined (each such row with its reasons),
        dirt_counts (what was done on each day), dim_users, dim_products, fct_orders, fct_events,
        agg_daily_sales and crm_contacts.

    Raises:
        ShopError: There is no shop, or it has not seen that day.
    """
    state = read_state(directory)
    if state is None or not 1 <= day <= state.day:
        seen = "there is no shop" if state is None else f"it has seen the days 1 to {state.day}"
        raise ShopError(
            f"No truth for day {day} in '{directory}': {seen}. Advance the shop, or ask for less."
        )
    connection = world_of(directory, state).connect(day)
    connection.execute(f"set variable last_day = {day}")
    for statement in STATEMENTS:
        connection.execute(statement)
    return connection
