"""The SELECT that reads a relation: what of it, in which form, from where to where."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from itertools import product
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
NUMBERS: Final[tuple[tuple[Any, re.Pattern[str]], ...]] = (
    (int, re.compile(r"-?\d{1,19}", re.ASCII)),
    (float, re.compile(r"-?(\d+\.\d+|\d+(\.\d+)?e[+-]\d+|inf)", re.ASCII)),
)
"""Texts of SQLite's numbers."""


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

    is_typed: bool = True
    """Whether a value is compared as it is stored: what SQLite has in a view or a query may be of
    any kind, and would be converted to compare it."""

    def quoted(self, name: str) -> str:
        """Return a column as the source names and quotes it, by its name in the warehouse."""
        return self.link.quoted(self.names.get(name, name))

    def ordered(self, name: str) -> str:
        """Return a column as it is ordered by and compared with a value, in the same order.

        A bare name in `order by` would be the text that the SELECT makes of it; and MySQL orders an
        enum by its places, but compares it as text. A plus takes what type SQLite guessed.
        """
        column = f"{'' if self.is_typed else '+'}q.{self.quoted(name)}"
        return f"cast({column} as char)" if self.kinds.get(name) == ENUM else column

    def sql(
        self,
        names: Iterable[str] = (),
        *,
        where: Iterable[str] = (),
        order_by: str = "",
        limit: int = 0,
        also: Iterable[str] = (),
    ) -> str:
        """Return a SELECT of all or some columns, and of further expressions behind them."""
        chosen = list(names) or list(self.columns)
        listed = ", ".join(
            [*(f"{self.columns[n]} as {self.link.quoted(n)}" for n in chosen), *also]
        )
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

    def among(self, key: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
        """Return the condition that a row has one of these keys, as the warehouse has them.

        Raises:
            SettingMissing: the key is a time that SQLite has as some text.
        """
        forms = dict.fromkeys(
            form for row in rows for form in product(*(self._forms(value) for value in row))
        )
        found = [", ".join(map(self._own, key, form)) for form in forms]
        if len(key) == 1:
            return f"{self.quoted(key[0])} in ({', '.join(found)})"
        values = "values " if self.link.kind == "sqlite" else ""
        listed = ", ".join(f"({row})" for row in found)
        return f"({', '.join(map(self.quoted, key))}) in ({values}{listed})"

    def _forms(self, value: Any) -> list[Any]:
        """Return what a text of the warehouse's may be in the source; PostgreSQL reads the text."""
        if not isinstance(value, str) or self.link.kind == "postgresql":
            return [value]
        forms: list[Any] = [value]
        if HEXADECIMAL.fullmatch(value):
            forms.append(bytes.fromhex(value[2:]))
        if self.link.kind == "sqlite":  # which has values of any kind in any column
            forms += [f.decode(errors="surrogateescape") for f in forms[1:]]
            forms += [kind(value) for kind, look in NUMBERS if look.fullmatch(value)]
        return forms

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
