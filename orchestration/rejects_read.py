"""What the loaders could not read (gate one), from the copies of `_rejects` that readers see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from loaders.rejects import TABLE, WORKING, schema

if TYPE_CHECKING:
    from loaders.connection import Connection

REASON: Final = "regexp_replace(reason, '''[^'']*''', '…', 'g')"
"""A reason without the values in it, so that rows can be counted by it."""
COLUMNS: Final = ("reason", "payload", "origin", "position", "rejected_at", "reject_id")


def sources(connection: Connection) -> list[str]:
    """Return the sources that have rejects."""
    found = connection.execute(
        "select distinct table_schema from information_schema.tables where table_name = ? "
        "and left(table_schema, 4) = 'raw_' order by table_schema",
        [TABLE],
    ).fetchall()
    names = {str(name).removeprefix("raw_") for (name,) in found}
    return sorted(names - {f"{name}{WORKING}" for name in names})


def reasons(connection: Connection) -> list[dict[str, Any]]:
    """Return each raw table and reason with its number of open rows."""
    return [
        {"table": _name(source, str(table)), "reasons": str(reason), "count": int(count)}
        for source in sources(connection)
        for table, reason, count in connection.execute(
            f"select table_name, {REASON}, count(*) from {_open(connection, source)} group by 1, 2"
        ).fetchall()
    ]


def tables(connection: Connection) -> dict[str, tuple[str, str]]:
    """Return source and raw table by the name that the table has in the quarantine."""
    return {
        _name(source, str(table)): (source, str(table))
        for source in sources(connection)
        for (table,) in connection.execute(
            f"select distinct table_name from {_open(connection, source)}"
        ).fetchall()
    }


def rows(
    connection: Connection, place: tuple[str, str], reason: str | None, limit: int, offset: int
) -> tuple[list[str], list[tuple[Any, ...]], int]:
    """Return columns, some of a raw table's rejects, newest first, and how many there are."""
    source, table = place
    told = f" and {REASON} = ?" if reason is not None else ""
    where = f"{_open(connection, source)} and table_name = ?{told}"
    values = [table, *([reason] if reason is not None else [])]
    total = int(connection.scalar(f"select count(*) from {where}", values))
    found = connection.execute(
        f"select {', '.join(COLUMNS)} from {where} order by rejected_at desc, reject_id "
        f"limit {limit} offset {offset}",
        values,
    ).fetchall()
    return list(COLUMNS), found, total


def _name(source: str, table: str) -> str:
    return f"raw_{source}__{table}"


def _open(connection: Connection, source: str) -> str:
    """Return the table and the condition that a reject was not dismissed."""
    can_be_dismissed = "dismissed_at" in connection.columns(f"raw_{source}", TABLE)
    is_open = "dismissed_at is null" if can_be_dismissed else "1 = 1"
    return f"{schema(source)}.{TABLE} where {is_open}"
