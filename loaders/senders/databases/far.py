"""What one far database is asked for; each kind of database says how."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from loaders.delivery_sql import family

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loaders.outbox import Outbox, Span
    from loaders.senders.databases.address import Address

STAGING = "tidemill_staging"
Types = dict[str, str]
"""The warehouse's type of each column."""


class FarDatabase(ABC):
    """A connection, and the statements that this kind of database wants."""

    mark: ClassVar[str] = '"'
    """Goes around names."""
    types: ClassVar[dict[str, str]]
    """The database's types, by family."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.raw: Any = None
        self.cursor: Any = None

    @property
    @abstractmethod
    def error(self) -> type[Exception]:
        """The driver's own error, of which all others are kinds."""

    @abstractmethod
    def open(self) -> Any:
        """Return a new connection that commits when told to."""

    @abstractmethod
    def columns(self, table: str) -> list[str]:
        """Return a table's columns; none when it does not exist."""

    @abstractmethod
    def load(self, outbox: Outbox, span: Span, types: Types) -> None:
        """Bring a span of the outbox into the staging table."""

    @abstractmethod
    def upsert(self, table: str, key: Sequence[str], columns: Sequence[str]) -> list[str]:
        """Return the statements that bring the staged rows into the table."""

    @abstractmethod
    def delete(self, table: str, key: Sequence[str]) -> str:
        """Return the statement that takes the staged keys out of the table."""

    @abstractmethod
    def is_transient(self, error: Exception) -> bool:
        """Tell whether the same may work in a moment: a lost connection, a deadlock."""

    @abstractmethod
    def is_about_rows(self, error: Exception) -> bool:
        """Tell whether rows break a rule there, so that other rows may be taken."""

    def connect(self) -> None:
        """Connect, or connect anew."""
        self.close()
        self.raw = self.open()
        self.cursor = self.raw.cursor()

    def close(self) -> None:
        """Close the connection, whatever state it is in."""
        raw, self.raw, self.cursor = self.raw, None, None
        if raw is not None:
            try:
                raw.close()
            except self.error:
                return

    def begin(self) -> None:
        """Begin a transaction; most drivers do by themselves."""
        return

    def type_of(self, kind: str, *, is_key: bool) -> str:
        """Return the database's type for one of the warehouse's."""
        del is_key
        found = family(kind)
        return kind if found == "numeric" else self.types[found]

    def select(self, column: str, kind: str) -> str:
        """Return the expression by which a column leaves the warehouse."""
        del kind
        return f'"{column}"'

    def create(self, table: str, types: Types, key: Sequence[str]) -> None:
        """Make a table of the model's columns, with its key."""
        primary = f"primary key ({self.names(key)})"
        self.run(f"create table {self.name(table)} ({self._defined(types, key)}, {primary})")

    def stage(self, types: Types, key: Sequence[str]) -> None:
        """Make the staging table anew."""
        self.run(f"drop table if exists {STAGING}")
        self.run(f"create temporary table {STAGING} ({self._defined(types, key)})")

    def run(self, statement: str) -> None:
        """Run one statement."""
        self.cursor.execute(statement)

    def name(self, name: str) -> str:
        """Quote a name, `schema.table` part by part."""
        mark = self.mark
        return ".".join(f"{mark}{part.replace(mark, mark * 2)}{mark}" for part in name.split("."))

    def names(self, columns: Sequence[str]) -> str:
        """Quote names, with commas between them."""
        return ", ".join(map(self.name, columns))

    def pairs(self, columns: Sequence[str], left: str, right: str, sign: str = "=") -> list[str]:
        """Return `left.column = right.column` for each column."""
        quoted = map(self.name, columns)
        return [f"{left}.{column} {sign} {right}.{column}" for column in quoted]

    def _defined(self, types: Types, key: Sequence[str]) -> str:
        return ", ".join(
            f"{self.name(column)} {self.type_of(kind, is_key=column in key)}"
            for column, kind in types.items()
        )
