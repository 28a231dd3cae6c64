"""PostgreSQL: COPY into a temporary table, then `insert … on conflict`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

from loaders.senders.copying import NULL, export
from loaders.senders.databases.far import STAGING, FarDatabase, Types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loaders.outbox import Outbox, Span

_ROWS = ("22", "23")
"""SQLSTATE classes: data exception, integrity constraint violation."""
_TRANSIENT = ("08", "40", "53", "55", "57")
"""Connection, rollback, resources, locks, operator's intervention."""


class Postgres(FarDatabase):
    """PostgreSQL, by psycopg2."""

    types: ClassVar[dict[str, str]] = {
        "integer": "bigint",
        "double": "double precision",
        "boolean": "boolean",
        "date": "date",
        "timestamp": "timestamp",
        "timestamptz": "timestamptz",
        "text": "text",
    }

    @property
    def error(self) -> type[Exception]:
        """All that psycopg2 raises."""
        import psycopg2

        return psycopg2.Error  # type: ignore[no-any-return]

    def open(self) -> Any:
        """Connect by libpq, which reads URLs itself."""
        import psycopg2

        return psycopg2.connect(self.address.whole, connect_timeout=10)

    def columns(self, table: str) -> list[str]:
        """Ask the catalogue, so that the search path counts."""
        self.cursor.execute(
            "select attname from pg_attribute where attrelid = to_regclass(%s) "
            "and attnum > 0 and not attisdropped order by attnum",
            (self.name(table),),
        )
        return [str(row[0]) for row in self.cursor.fetchall()]

    def create(self, table: str, types: Types, key: Sequence[str]) -> None:
        """Make the table, and its schema when that is named."""
        if "." in table:
            self.run(f"create schema if not exists {self.name(table.partition('.')[0])}")
        super().create(table, types, key)

    def load(self, outbox: Outbox, span: Span, types: Types) -> None:
        """Hand over a file that the warehouse wrote; no row passes through Python."""
        selected = [self.select(column, kind) for column, kind in types.items()]
        with TemporaryDirectory() as folder:
            path = Path(folder) / "rows.csv"
            export(outbox.connection, outbox.query(selected, span), path, NULL)
            with path.open("rb") as file:
                copy = f"copy {STAGING} from stdin (format csv, null '{NULL}')"
                self.cursor.copy_expert(copy, file)

    def upsert(self, table: str, key: Sequence[str], columns: Sequence[str]) -> list[str]:
        """Touch only what differs."""
        insert = (
            f"insert into {self.name(table)} as far ({self.names(columns)}) "
            f"select {self.names(columns)} from {STAGING} on conflict ({self.names(key)}) do "
        )
        rest = [column for column in columns if column not in key]
        if not rest:
            return [f"{insert} nothing"]
        quoted = [self.name(column) for column in rest]
        sets = ", ".join(f"{column} = excluded.{column}" for column in quoted)
        far = ", ".join(f"far.{column}" for column in quoted)
        new = ", ".join(f"excluded.{column}" for column in quoted)
        return [f"{insert} update set {sets} where ({far}) is distinct from ({new})"]

    def delete(self, table: str, key: Sequence[str]) -> str:
        """Join the staged keys."""
        same = " and ".join(self.pairs(key, "far", STAGING))
        return f"delete from {self.name(table)} as far using {STAGING} where {same}"

    def is_transient(self, error: Exception) -> bool:
        """No SQLSTATE at all: the connection is gone."""
        state = getattr(error, "pgcode", None) or "08"
        return state.startswith(_TRANSIENT)

    def is_about_rows(self, error: Exception) -> bool:
        """The row's values, or a constraint."""
        return (getattr(error, "pgcode", None) or "").startswith(_ROWS)
