"""The SELECT that reads a relation: what of it, in which form, from where to where."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from loaders.errors import SettingMissing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loaders.readers.database_link import Link

INSTANT: Final = "instant"
SINGLE: Final = "single"
DECIMAL: Final = "decimal"
ENUM: Final = "enum"
HEXADECIMAL: Final = re.compile(r"\\x([0-9a-f]{2})*")


@dataclass(frozen=True, kw_only=True)
class Range:
    """Which rows: those whose cursor lies between two values, and those of some keys."""

    since: Any = None
    """At least this."""
    until: Any = None
    """Below this; rows without a cursor are then left out."""
    no_later: Any = None
    """At most this, as the database gave it; rows without a cursor are kept."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """A relation of a database, looked at once, from which any number of SELECTs are made."""

    link: Link
    relation: str
    """Quoted, or a query in brackets; it is called `q` in a SELECT."""
    columns: dict[str, str]
    """Each column's name in the warehouse and the SQL expression that it is read by."""
    names: dict[str, str]
    """Each column's name in the warehouse and its name in the source."""
    kinds: dict[str, str] = field(default_factory=dict)
    """What cannot be told of a column from what arrives: that it holds times with their zone
    (INSTANT), numbers of 32 bits (SINGLE), decimals with all digits (DECIMAL) or words (ENUM)."""

    def quoted(self, name: str) -> str:
        """Return a column as the source names and quotes it, by its name in the warehouse."""
        return self.link.quoted(self.names.get(name, name))

    def ordered(self, name: str) -> str:
        """Return a column as it is ordered by and compared with a value, in the same order.

        A bare name in `order by` would be the text that the SELECT makes of it; and MySQL orders an
        enum by its places, but compares it as text.
        """
        column = f"q.{self.quoted(name)}"
        return f"cast({column} as char)" if self.kinds.get(name) == ENUM else column

    def sql(
        self,
        names: Iterable[str] = (),
        *,
        where: Iterable[str] = (),
        order_by: str = "",
        limit: int = 0,
    ) -> str:
        """Return a SELECT of all or some columns."""
        chosen = list(names) or list(self.columns)
        listed = ", ".join(f"{self.columns[n]} as {self.link.quoted(n)}" for n in chosen)
        conditions = " and ".join(f"({condition})" for condition in where if condition)
        return (
            f"select {listed} from {self.relation} q"
            + (f" where {conditions}" if conditions else "")
            + (f" order by {order_by}" if order_by else "")
            + (f" limit {limit}" if limit else "")
        )

    def between(self, column: str, found: Range) -> list[str]:
        """Return the conditions that hold a cursor column in a range."""
        name, own = self.quoted(column), self.names[column]
        value = next((v for v in (found.since, found.until, found.no_later) if v is not None), None)
        also = "" if found.until is not None else f" or {self.link.timeless(own, value)}"
        conditions = [
            f"{left} {sign} {right}{also}"
            for sign, value in ((">=", found.since), ("<", found.until))
            if value is not None
            for left, right in [
                self.link.since(own, value, has_zone=self.kinds.get(column) == INSTANT)
            ]
        ]
        if found.no_later is not None:
            conditions.append(f"{name} <= {self.link.literal(found.no_later)}{also}")
        return conditions

    def newest(self, column: str) -> Any:
        """Return the greatest value of a column, as the database gives it."""
        name = self.quoted(column)
        as_text = "::text" if self.link.kind == "postgresql" else ""  # of a year that Python lacks
        return self.link.rows(f"select max({name}){as_text} from {self.relation} q")[0][0]

    def behind(self, key: Sequence[str], last: Sequence[Any]) -> str:
        """Return the condition that a row comes after another one in the order of the key."""
        values = [self.link.literal(value) for value in last]
        names = [self.ordered(name) for name in key]
        steps = [
            " and ".join(
                [*(f"{names[i]} = {values[i]}" for i in range(at)), f"{names[at]} > {values[at]}"]
            )
            for at in range(len(key))
        ]
        behind = " or ".join(f"({step})" for step in steps)
        return f"{names[0]} >= {values[0]} and ({behind})"  # the first lets an index be used

    def among(self, key: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
        """Return the condition that a row has one of these keys, as the warehouse has them.

        Raises:
            SettingMissing: the key is a time that SQLite has as some text.
        """
        forms = dict.fromkeys(form for row in rows for form in (tuple(row), self._as_bytes(row)))
        found = [", ".join(map(self._own, key, form)) for form in forms]
        if len(key) == 1:
            return f"{self.quoted(key[0])} in ({', '.join(found)})"
        values = "values " if self.link.kind == "sqlite" else ""
        listed = ", ".join(f"({row})" for row in found)
        return f"({', '.join(map(self.quoted, key))}) in ({values}{listed})"

    def _as_bytes(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """Return a key with what may be bytes in the source as bytes; PostgreSQL reads the text."""
        if self.link.kind == "postgresql":
            return tuple(row)
        return tuple(
            bytes.fromhex(v[2:]) if isinstance(v, str) and HEXADECIMAL.fullmatch(v) else v
            for v in row
        )

    def _own(self, name: str, value: Any) -> str:
        if not isinstance(value, datetime) or value.tzinfo is None:  # as the source itself gave it
            return self.link.literal(value)
        if self.link.kind == "sqlite":
            raise SettingMissing(
                f"The key '{name}' is declared as timestamp, and SQLite has times as texts of any "
                "form. Declare it as text, so that its rows are found there again."
            )
        has_zone = self.kinds.get(name) == INSTANT
        return self.link.since(self.names[name], value, has_zone=has_zone)[1]
