"""SQLite: rows into a temporary table, then `insert … on conflict`."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from loaders.delivery_sql import family
from loaders.senders.databases.far import STAGING, FarDatabase, Types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loaders.outbox import Outbox, Span


class Sqlite(FarDatabase):
    """SQLite, by the standard library."""

    types: ClassVar[dict[str, str]] = {
        "integer": "integer",
        "double": "real",
        "boolean": "boolean",
        "date": "date",
        "timestamp": "timestamp",
        "timestamptz": "timestamp",
        "text": "text",
    }

    @property
    def error(self) -> type[Exception]:
        """All that sqlite3 raises."""
        return sqlite3.Error

    def open(self) -> sqlite3.Connection:
        """Open the file; transactions begin when told to."""
        from loaders.senders.settings import resolved

        place = self.address.database or ":memory:"
        path = place if place == ":memory:" else resolved(place)
        if path != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        return sqlite3.connect(path, timeout=30, isolation_level=None)

    def begin(self) -> None:
        """Take the writer's lock at once, so that no upgrade can fail half way."""
        self.run("begin immediate")

    def select(self, column: str, kind: str) -> str:
        """SQLite knows numbers and text."""
        found = family(kind)
        if found in {"integer", "double"}:
            return f'"{column}"'
        if found == "timestamptz":
            return f"cast(\"{column}\" at time zone 'UTC' as text)"
        return f'cast("{column}" as {"integer" if found == "boolean" else "text"})'

    def columns(self, table: str) -> list[str]:
        """Ask the catalogue."""
        return [
            str(row[1]) for row in self.cursor.execute(f"pragma table_info({self.name(table)})")
        ]

    def load(self, outbox: Outbox, span: Span, types: Types) -> None:
        """Insert rows, a few thousand of them in memory at a time."""
        selected = [self.select(column, kind) for column, kind in types.items()]
        places = ", ".join("?" for _ in selected)
        for rows in outbox.rows(selected, span):
            self.cursor.executemany(f"insert into {STAGING} values ({places})", rows)

    def upsert(self, table: str, key: Sequence[str], columns: Sequence[str]) -> list[str]:
        """Touch only what differs; `where true` keeps `on conflict` from reading as a join."""
        insert = (
            f"insert into {self.name(table)} as far ({self.names(columns)}) "
            f"select {self.names(columns)} from {STAGING} where true "
            f"on conflict ({self.names(key)}) do "
        )
        rest = [column for column in columns if column not in key]
        if not rest:
            return [f"{insert} nothing"]
        sets = ", ".join(f"{self.name(column)} = excluded.{self.name(column)}" for column in rest)
        differs = " or ".join(self.pairs(rest, "far", "excluded", "is not"))
        return [f"{insert} update set {sets} where {differs}"]

    def delete(self, table: str, key: Sequence[str]) -> str:
        """Look the staged keys up."""
        keys = self.names(key)
        return f"delete from {self.name(table)} where ({keys}) in (select {keys} from {STAGING})"

    def is_transient(self, error: Exception) -> bool:
        """Another connection writes."""
        return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)

    def is_about_rows(self, error: Exception) -> bool:
        """A constraint, or a value that SQLite does not know."""
        return isinstance(error, sqlite3.IntegrityError | sqlite3.DataError)
