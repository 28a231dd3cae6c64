"""The SQL of a replay: rows that pass go into their table unless a newer one is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from loaders.columns import literal, quoted
from loaders.rejects import TABLE, schema
from loaders.shape import PLACE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from loaders.connection import Connection
    from loaders.shape import Shape

SUPERSEDED: Final = "a newer row had arrived when it was replayed"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Some rejects of one table, judged anew."""

    good: pa.Table
    """Rows that pass, with `_reject_id` and `_rejected_at`."""
    bad: pa.Table
    """The others: `reject_id` and `reason`."""


@dataclass(kw_only=True)
class Replayed:
    """One table's rejects on their way: those that pass wait in the warehouse, not in memory."""

    connection: Connection
    source: str
    shape: Shape
    latest_by: str | None
    """The column that tells which of two rows with one key is newer."""
    names: dict[str, None] = field(default_factory=dict)
    """The columns of rows that passed."""

    @property
    def raw(self) -> str:
        """The raw table, as SQL."""
        return f"{schema(self.source)}.{quoted(self.shape.table)}"

    @property
    def rejects(self) -> str:
        """The source's rejects, as SQL."""
        return f"{schema(self.source)}.{TABLE}"

    def wait(self, good: pa.Table) -> None:
        """Put rows that pass into the temporary table `replayed`, typed as in their raw table."""
        if not self.names:
            self._run(
                "create temporary table replayed as select *, cast(null as varchar) as _reject_id, "
                "cast(null as timestamp with time zone) as _rejected_at "
                f"from {self.raw} where 1 = 0"
            )
        own = [name for name in good.column_names if name not in ("_reject_id", "_rejected_at")]
        known = self.connection.columns(f"raw_{self.source}", self.shape.table)
        for name in own:
            if name not in known:
                for table in (self.raw, "replayed"):
                    self._run(f"alter table {table} add column {quoted(name)} varchar")
        self.names |= dict.fromkeys(own)
        fill(self.connection, "replayed", good)

    def refuse(self, bad: pa.Table) -> None:
        """Give rejects that still do not pass the reason that they have now."""
        self._run("create temporary table again (reject_id varchar, reason varchar)")
        fill(self.connection, "again", bad)
        self._run(
            f"update {self.rejects} as there set reason = again.reason from again "
            "where there.reject_id = again.reject_id and there.reason <> again.reason"
        )
        self._run("drop table again")

    def store(self) -> int:
        """Put what waits into the raw table; return how many a newer row had overtaken."""
        if not self.names:
            return 0
        key = self.shape.key or PLACE
        same = " and ".join(f"there.{quoted(n)} = replayed.{quoted(n)}" for n in key)
        self._run(
            f"create temporary table late as select _reject_id from ({self._ranked(key)}) as "
            "ranked where place > 1 union select _reject_id from replayed "
            f"join {self.raw} as there on {same} where {self._newer()}"
        )
        passed = "_reject_id not in (select _reject_id from late)"
        columns = ", ".join(map(quoted, self.names))
        self._run(
            f"delete from {self.raw} as there using replayed where {same} and replayed.{passed}"
        )
        self._run(
            f"insert into {self.raw} ({columns}) select {columns} from replayed where {passed}"
        )
        self._run(
            f"delete from {self.rejects} where reject_id in "
            f"(select _reject_id from replayed where {passed})"
        )
        self._run(
            f"update {self.rejects} set dismissed_at = current_timestamp, "
            f"note = {literal(SUPERSEDED)} where reject_id in (select _reject_id from late)"
        )
        superseded = int(self.connection.scalar("select count(*) from late"))
        self._run("drop table late")
        self._run("drop table replayed")
        return superseded

    def _run(self, sql: str) -> None:
        self.connection.execute(sql)

    def _ranked(self, key: Sequence[str]) -> str:
        """Return SQL that numbers the replayed rows of one key, the newest first."""
        order = f"{quoted(self.latest_by)} desc nulls last, " if self.latest_by else ""
        keys = ", ".join(map(quoted, key))
        return (
            f"select _reject_id, row_number() over (partition by {keys} "
            f"order by {order}_rejected_at desc, _reject_id) as place from replayed"
        )

    def _newer(self) -> str:
        """Return the condition under which the row that is there is at least as new."""
        if self.shape.key and self.latest_by:
            column = quoted(self.latest_by)
            return f"(replayed.{column} is null or there.{column} >= replayed.{column})"
        arrived = "to_timestamp(cast(there._dlt_load_id as double precision))"
        return f"{arrived} > replayed._rejected_at"


def fill(connection: Connection, table: str, rows: pa.Table) -> None:
    """Put Arrow rows into a temporary table."""
    names = ", ".join(map(quoted, rows.column_names))
    if connection.kind == "duckdb":
        connection.raw.register("judged", rows)
        connection.execute(f"insert into {table} ({names}) select {names} from judged")
        connection.raw.unregister("judged")
        return
    from psycopg2.extras import execute_values

    with connection.raw.cursor() as cursor:
        values = [tuple(row.values()) for row in rows.to_pylist()]
        execute_values(cursor, f"insert into {table} ({names}) values %s", values, page_size=1000)
