"""The SQL of a replay: rows that pass go into their table unless a newer one is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loaders.columns import literal, quoted
from loaders.rejects import TABLE, schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from loaders.connection import Connection
    from loaders.shape import Shape

SUPERSEDED: Final = "a newer row had arrived when it was replayed"
PLACE: Final = ("_file", "_line")
"""What tells the rows of files apart, which have no key of their own."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Rejects of one table, judged anew."""

    shape: Shape
    good: pa.Table
    """Rows that pass, with `_reject_id` and `_rejected_at`."""
    reasons: Mapping[str, str]
    """Why the others do not, by reject id."""
    latest_by: str | None
    """The column that tells which of two rows with one key is newer."""


def store(connection: Connection, source: str, judged: Judged) -> int:
    """Put rows that pass into their table; return how many a newer row had overtaken."""
    raw = f"{schema(source)}.{quoted(judged.shape.table)}"
    rejects = f"{schema(source)}.{TABLE}"
    names = [
        name for name in judged.good.column_names if name not in ("_reject_id", "_rejected_at")
    ]
    known = connection.columns(f"raw_{source}", judged.shape.table)
    for name in names:
        if name not in known:
            connection.execute(f"alter table {raw} add column {quoted(name)} varchar")
    _stage(connection, raw, judged.good)
    key = judged.shape.key or PLACE
    same = " and ".join(f"there.{quoted(n)} = replayed.{quoted(n)}" for n in key)
    connection.execute(
        "create temporary table late as "
        f"select _reject_id from ({_ranked(key, judged)}) as ranked where place > 1 union "
        f"select _reject_id from replayed join {raw} as there on {same} where {_newer(judged)}"
    )
    passed = "_reject_id not in (select _reject_id from late)"
    columns = ", ".join(map(quoted, names))
    connection.execute(
        f"delete from {raw} as there using replayed where {same} and replayed.{passed}"
    )
    connection.execute(
        f"insert into {raw} ({columns}) select {columns} from replayed where {passed}"
    )
    connection.execute(
        f"delete from {rejects} where reject_id in (select _reject_id from replayed where {passed})"
    )
    connection.execute(
        f"update {rejects} set dismissed_at = current_timestamp, note = {literal(SUPERSEDED)} "
        "where reject_id in (select _reject_id from late)"
    )
    superseded = int(connection.scalar("select count(*) from late"))
    connection.execute("drop table late")
    connection.execute("drop table replayed")
    return superseded


def _ranked(key: Sequence[str], judged: Judged) -> str:
    """Return SQL that numbers the replayed rows of one key, the newest first."""
    order = f"{quoted(judged.latest_by)} desc nulls last, " if judged.latest_by else ""
    keys = ", ".join(map(quoted, key))
    return (
        f"select _reject_id, row_number() over (partition by {keys} "
        f"order by {order}_rejected_at desc, _reject_id) as place from replayed"
    )


def _newer(judged: Judged) -> str:
    """Return the condition under which the row that is there is at least as new."""
    if judged.shape.key and judged.latest_by:
        column = quoted(judged.latest_by)
        return f"(replayed.{column} is null or there.{column} >= replayed.{column})"
    arrived = "to_timestamp(cast(there._dlt_load_id as double precision))"
    return f"{arrived} > replayed._rejected_at"


def _stage(connection: Connection, raw: str, good: pa.Table) -> None:
    """Make the temporary table `replayed` of rows with the types of their raw table."""
    names = ", ".join(quoted(n) for n in good.column_names if not n.startswith("_reject"))
    connection.execute(
        f"create temporary table replayed as select {names}, cast(null as varchar) as _reject_id, "
        f"cast(null as timestamp with time zone) as _rejected_at from {raw} where 1 = 0"
    )
    every = ", ".join(map(quoted, good.column_names))
    if connection.kind == "duckdb":
        connection.raw.register("judged", good)
        connection.execute(f"insert into replayed ({every}) select {every} from judged")
        connection.raw.unregister("judged")
        return
    from psycopg2.extras import execute_values

    rows = [tuple(row.values()) for row in good.to_pylist()]
    with connection.raw.cursor() as cursor:
        execute_values(cursor, f"insert into replayed ({every}) values %s", rows)
