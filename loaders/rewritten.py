"""What goes in the moment in which a load is committed: older editions of files, doubled rejects.

Until then, whatever happens to the load, readers have the old rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlt.destinations.job_client_impl import SqlJobClientBase

FILES: Final = "_files"
REJECTS: Final = "_rejects"


def commit(client: SqlJobClientBase, load_id: str, complete: Any) -> None:
    """Commit a load together with the deletion of what it replaces.

    Args:
        client: dlt's client of the warehouse.
        load_id: dlt's id of the load.
        complete: dlt's own method, which records the load as committed.
    """
    with client.sql_client.begin_transaction():
        for sql in _deletions(client, load_id):
            client.sql_client.execute_sql(sql, load_id, load_id)
        if REJECTS in client.schema.tables:
            client.sql_client.execute_sql(_doubled(client), load_id)
        complete(load_id)


def _doubled(client: SqlJobClientBase) -> str:
    """Return what deletes all but one of a load's rejects with the same id.

    dlt's merge looks at what is there, and not whether a row comes twice.
    """
    table = client.sql_client.make_qualified_table_name(REJECTS)
    place = "ctid" if "postgres" in str(client.config.destination_type) else "rowid"
    numbered = (
        f"select {place} as place, row_number() over (partition by reject_id) as number "
        f"from {table} where _dlt_load_id = %s"
    )
    return (
        f"delete from {table} where {place} in "
        f"(select place from ({numbered}) as numbered where number > 1)"
    )


def _deletions(client: SqlJobClientBase, load_id: str) -> Iterator[str]:
    """Yield what deletes the rows and rejects of files that came in a new edition."""
    if "edition" not in client.schema.tables.get(FILES, {}).get("columns", {}):
        return
    name = client.sql_client.make_qualified_table_name
    sql = f"select distinct table_name from {name(FILES)} where _dlt_load_id = %s and edition > 1"
    for (table,) in client.sql_client.execute_sql(sql, load_id) or []:
        text = "'" + str(table).replace("'", "''") + "'"
        paths = (
            f"select path from {name(FILES)} where _dlt_load_id = %s and edition > 1 "
            f"and table_name = {text}"
        )
        yield f"delete from {name(str(table))} where _file in ({paths}) and _dlt_load_id <> %s"
        yield (
            f"delete from {name(REJECTS)} where table_name = {text} and origin in ({paths}) "
            "and _dlt_load_id <> %s"
        )
