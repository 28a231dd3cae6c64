"""Publishes marts on PostgreSQL: copied aside in one snapshot, swapped in by one transaction.

Readers use the schema `published`. They never wait for the copying, never see half of it, and no
statement, nor a transaction of several, sees tables of two versions: the swap happens in a moment
when nobody holds any of the old tables, and who comes meanwhile waits for it and finds the new.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from loaders.delivery_sql import quoted
from loaders.errors import WarehouseBusy

if TYPE_CHECKING:
    from loaders.connection import Connection
    from loaders.warehouse import Target

SOURCE: Final = "marts"
PUBLISHED: Final = "published"
ASIDE: Final = "published_next"
OLD: Final = "published_old"
PATIENCE: Final = 60.0
"""Seconds to look for a moment without readers."""
BREATH: Final = 0.02


def swap(target: Target, patience: float = PATIENCE) -> str:
    """Copy all marts and let readers see them at once; return the schema that readers use.

    Raises:
        WarehouseBusy: a reader held the old tables open all the time; it still has them.
    """
    with target.connect() as connection:
        _copy(connection)
        until = time.monotonic() + patience
        while not _swapped(connection):
            if time.monotonic() > until:
                raise WarehouseBusy(
                    f"Cannot publish on '{target.place}': readers have held the published tables "
                    f"for {patience:.0f} s ({_holders(connection)}). They keep what they see; "
                    "publish again when they have ended."
                )
            time.sleep(BREATH)
    return PUBLISHED


def _copy(connection: Connection) -> None:
    connection.execute("begin isolation level repeatable read")
    try:
        for schema in (ASIDE, OLD):
            connection.execute(f"drop schema if exists {schema} cascade")
        connection.execute(f"create schema {ASIDE}")
        connection.execute(f"create schema if not exists {PUBLISHED}")
        tables = _tables(connection, SOURCE)
        for table in tables:
            name = quoted(table)
            connection.execute(f"create table {ASIDE}.{name} (like {SOURCE}.{name} including all)")
            connection.execute(f"insert into {ASIDE}.{name} select * from {SOURCE}.{name}")
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    for table in tables:
        connection.execute(f"analyze {ASIDE}.{quoted(table)}")


def _swapped(connection: Connection) -> bool:
    """Swap if nobody reads in this moment; tell whether it was done."""
    import psycopg2

    connection.execute("begin")
    try:
        held = [f"{PUBLISHED}.{quoted(table)}" for table in _tables(connection, PUBLISHED)]
        if held:
            connection.execute(f"lock table {', '.join(held)} in access exclusive mode nowait")
        connection.execute(f"alter schema {PUBLISHED} rename to {OLD}")
        connection.execute(f"alter schema {ASIDE} rename to {PUBLISHED}")
        connection.execute(f"drop schema {OLD} cascade")
        connection.execute("commit")
    except (psycopg2.errors.LockNotAvailable, psycopg2.errors.DeadlockDetected):
        connection.execute("rollback")
        return False
    except BaseException:
        connection.execute("rollback")
        raise
    return True


def _tables(connection: Connection, schema: str) -> list[str]:
    found = connection.execute(
        "select table_name from information_schema.tables where table_schema = ? order by 1",
        [schema],
    ).fetchall()
    return [str(table) for (table,) in found]


def _holders(connection: Connection) -> str:
    rows = connection.execute(
        "select distinct activity.pid, activity.usename from pg_locks as locks "
        "join pg_class as tables on tables.oid = locks.relation "
        "join pg_namespace as schemas on schemas.oid = tables.relnamespace "
        "join pg_stat_activity as activity on activity.pid = locks.pid "
        "where schemas.nspname = ? and activity.pid <> pg_backend_pid() order by 1",
        [PUBLISHED],
    ).fetchall()
    return ", ".join(f"process {pid} of {user}" for pid, user in rows) or "they are gone by now"
