"""Copies what readers need to a file of their own, and swaps it in when it is whole.

What did not change since the file before is taken over with that file: copying its bytes costs a
fraction of writing its rows anew, so a small change is published soon beside large tables.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loaders.connection import writable
from loaders.delivery_sql import quoted
from loaders.errors import WarehouseFailed
from loaders.fingerprint import fingerprint, keep, kept
from loaders.warehouse import published_path

if TYPE_CHECKING:
    from loaders.connection import Connection
    from loaders.warehouse import Target

PUBLISHED = ("marts", "quarantine", "outputs")
"""The schemas that readers see."""
REJECTS = "_rejects"
"""The one table of each raw schema that is published: rows in quarantine, like those of dbt."""
NAME: Final = "published"
"""What the file is called while it is attached."""


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
        _forget(aside)
    with target.exclusive(), target.connect() as connection:
        try:
            _open(connection, place, aside)
            _copy(connection)
        except (duckdb.Error, OSError) as error:
            reason = str(error).splitlines()[0]
            raise WarehouseFailed(
                f"Cannot publish to '{place}': {reason}. The file published before is still in "
                "its place. Make room there, then publish again."
            ) from error
    aside.replace(place)
    return place


def _forget(aside: Path) -> None:
    """Delete what a publishing that was cut off left behind, its log as well."""
    for path in (aside, Path(f"{aside}.wal")):
        path.unlink(missing_ok=True)


def _open(connection: Connection, place: Path, aside: Path) -> None:
    """Attach a copy of the file published before; an empty one where it is none, or half empty."""
    import duckdb

    if place.exists():
        shutil.copyfile(place, aside)
        with suppress(duckdb.Error):
            _attach(connection, aside)
            if not _is_half_empty(connection):
                return
            connection.execute(f"detach {NAME}")
        _forget(aside)
    _attach(connection, aside)


def _attach(connection: Connection, aside: Path) -> None:
    escaped = str(aside).replace("'", "''")
    connection.execute(f"attach '{escaped}' as {NAME}")


def _is_half_empty(connection: Connection) -> bool:
    """Tell whether most of the file is room that replaced tables left behind."""
    sql = "select free_blocks > used_blocks from pragma_database_size() where database_name = ?"
    return bool(connection.scalar(sql, [NAME]))


def _copy(connection: Connection) -> None:
    """Bring the attached file to what the warehouse holds."""
    before, now = kept(connection, NAME), _tables(connection)
    for schema in sorted({*PUBLISHED, *(schema for schema, _ in now)}):
        connection.execute(f"create schema if not exists {NAME}.{quoted(schema)}")
    for gone in before.keys() - set(now):
        connection.execute(f"drop table {NAME}.{'.'.join(map(quoted, gone))}")
    for place in now:
        name = ".".join(map(quoted, place))
        if place not in before or before[place] != fingerprint(connection, name):
            copy = f"{NAME}.{name}"
            connection.execute(f"create or replace table {copy} as select * from {name}")
            keep(connection, copy)
    connection.execute(f"checkpoint {NAME}")
    connection.execute(f"detach {NAME}")


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
