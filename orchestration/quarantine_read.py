"""What is in the quarantine, from what readers see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestration import rejects_read
from orchestration.errors import NameUnknown

if TYPE_CHECKING:
    from loaders.connection import Connection

SCHEMA: Final = "quarantine"


def tables(connection: Connection) -> list[str]:
    """Return the names of the tables that hold rows with their reasons."""
    found = connection.execute(
        "select table_name from information_schema.columns where table_schema = ? "
        "and column_name = 'reasons' order by table_name",
        [SCHEMA],
    ).fetchall()
    return [str(name) for (name,) in found]


def broken(connection: Connection) -> list[dict[str, Any]]:
    """Return each table and reason for which rows break a rule with their number, most first."""
    return [
        {"table": table, "reasons": str(reason), "count": int(count)}
        for table in tables(connection)
        for reason, count in connection.execute(
            f'select reasons, count(*) from {SCHEMA}."{table}" group by 1 order by 2 desc, 1'
        ).fetchall()
    ]


def reasons(connection: Connection) -> list[dict[str, Any]]:
    """Return each table and reason of both gates with its number of rows, most first."""
    found = broken(connection) + rejects_read.reasons(connection)
    return sorted(found, key=lambda one: (-one["count"], one["table"], one["reasons"]))


def rows(
    connection: Connection, table: str, *, reason: str | None, limit: int, offset: int
) -> tuple[list[str], list[tuple[Any, ...]], int]:
    """Return a table's columns, some of its rows, and how many there are.

    Raises:
        NameUnknown: there is no such table in the quarantine.
    """
    known = tables(connection)
    if table not in known:
        rejected = rejects_read.tables(connection)
        if table in rejected:
            return rejects_read.rows(connection, rejected[table], reason, limit, offset)
        names = ", ".join([*known, *rejected])
        raise NameUnknown(f"No table '{table[:80]}' in the quarantine. Tables: {names or 'none'}.")
    columns = [name for name in connection.columns(SCHEMA, table) if not name.startswith("_")]
    names = ", ".join(f'"{name}"' for name in columns)
    place = f'{SCHEMA}."{table}"'
    where, values = (" where reasons = ?", [reason]) if reason is not None else ("", [])
    total = int(connection.scalar(f"select count(*) from {place}{where}", values))
    found = connection.execute(
        f"select {names} from {place}{where} order by 1, 2 limit {limit} offset {offset}", values
    ).fetchall()
    return columns, found, total
