"""Copies what readers need to a file of their own, and swaps it in when it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loaders.connection import writable
from loaders.delivery_sql import quoted
from loaders.errors import WarehouseFailed
from loaders.warehouse import published_path

if TYPE_CHECKING:
    from pathlib import Path

    from loaders.connection import Connection
    from loaders.warehouse import Target

PUBLISHED = ("marts", "quarantine", "outputs")
"""The schemas that readers see."""
REJECTS = "_rejects"
"""The one table of each raw schema that is published: rows in quarantine, like those of dbt."""


def publish(target: Target) -> Path | None:
    """Copy marts, quarantine and outputs to the published file and swap it in by a rename.

    Returns:
        The published file; None for a warehouse that readers may open themselves.

    Raises:
        WarehouseFailed: the file cannot be written; the one before stays in its place.
    """
    if target.kind != "duckdb":
        return None
    import duckdb

    place = published_path(target)
    aside = place.with_name(place.name + ".tmp")
    with writable(place.parent):
        aside.unlink(missing_ok=True)
    with target.exclusive(), target.connect() as connection:
        try:
            _copy(connection, aside)
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise WarehouseFailed(
                f"Cannot publish to '{place}': {reason}. The file published before is still in "
                "its place. Make room there, then publish again."
            ) from error
    aside.replace(place)
    return place


def _copy(connection: Connection, aside: Path) -> None:
    escaped = str(aside).replace("'", "''")
    connection.execute(f"attach '{escaped}' as published")
    tables = _tables(connection)
    for schema in sorted({*PUBLISHED, *(schema for schema, _ in tables)}):
        connection.execute(f"create schema if not exists published.{quoted(schema)}")
    for schema, table in tables:
        name = f"{quoted(schema)}.{quoted(table)}"
        connection.execute(f"create table published.{name} as select * from {name}")
    connection.execute("checkpoint published")
    connection.execute("detach published")


def _tables(connection: Connection) -> list[tuple[str, str]]:
    """Return tables and views alike, for the published file carries what they hold; and rejects."""
    places = ", ".join("?" for _ in PUBLISHED)
    found = connection.execute(
        "select table_schema, table_name from information_schema.tables "
        f"where table_catalog = current_database() and (table_schema in ({places}) or "
        "(table_name = ? and table_schema like 'raw!_%' escape '!' "
        "and table_schema not like '%!_staging' escape '!')) order by 1, 2",
        [*PUBLISHED, REJECTS],
    ).fetchall()
    return [(str(schema), str(table)) for schema, table in found]
