"""The SELECT that reads a relation: what of it, in which form, from where to where."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from loaders.columns import named
from loaders.connection import shown
from loaders.errors import SettingMissing, SourceRefused
from loaders.naming import distinct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loaders.readers.database_link import Link

AS_THEY_ARE: Final = frozenset(
    {"bool", "int2", "int4", "int8", "float4", "float8", "numeric", "text", "varchar", "bpchar"}
    | {"date", "timestamp", "timestamptz", "bytea"}
)
"""PostgreSQL's types that arrive as what they are; of others the text, of arrays the JSON."""
MYSQL_READ_AS: Final = {
    4: "{} + 0e0",  # FLOAT, which is written with six digits only
    11: "cast({} as char)",  # TIME, of more than a day
    16: "{} + 0",  # BIT
}
INSTANT: Final = "instant"
SINGLE: Final = "single"
DECIMAL: Final = "decimal"
ENUM: Final = "enum"
POSTGRES_KINDS: Final = {"timestamptz": INSTANT, "numeric": DECIMAL}
MYSQL_KINDS: Final = {0: DECIMAL, 246: DECIMAL, 4: SINGLE, 7: INSTANT, 247: ENUM, 248: ENUM}
HEXADECIMAL: Final = re.compile(r"\\x([0-9a-f]{2})*")
REFUSED: Final = "no such|syntax error|incomplete input|Duplicate column"
"""What SQLite and MySQL say of a wrong statement in the words of a lost connection."""
OURS: Final = ("_dlt_load_id", "_dlt_id")
"""Columns that dlt adds; a source's own of that name is numbered."""


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


def select(link: Link, relation: str, *, is_query: bool, needed: Iterable[str] = ()) -> Selection:
    """Look at a relation and return what SELECTs are made from.

    Args:
        link: its database.
        relation: a table's or view's name, or a query.
        is_query: which of both.
        needed: columns, as the warehouse names them, without which it cannot be read.

    Raises:
        SourceRefused: there is no such table, it lacks a column, or the query cannot be read.
    """
    path = link.url.database if link.kind == "sqlite" else None
    if path and "uri" not in link.url.query and path != ":memory:" and not Path(path).exists():
        raise SourceRefused(f"No file '{path}', which is to be read as a database. Check its path.")
    query = f"(\n{relation.rstrip().rstrip(';')}\n)"  # it may end in a comment
    place = query if is_query else link.relation(relation)
    try:
        described = link.described(place)
    except sa.exc.DBAPIError as error:
        if not isinstance(error, sa.exc.ProgrammingError) and not re.search(REFUSED, str(error)):
            raise
        raise _refused(link, relation, error, is_query=is_query) from error
    names = _names(relation, [name for name, _ in described], needed)
    codes = dict(described)
    if link.kind == "postgresql":
        return _postgres(link, place, codes, names)
    read_as, kinds = (MYSQL_READ_AS, MYSQL_KINDS) if link.is_mysql else ({}, {})
    return Selection(
        link=link,
        relation=place,
        names=names,
        columns={n: read_as.get(codes[o], "{}").format(link.quoted(o)) for n, o in names.items()},
        kinds={name: kinds[codes[own]] for name, own in names.items() if codes[own] in kinds},
    )


def _names(relation: str, columns: Sequence[str], needed: Iterable[str]) -> dict[str, str]:
    """Return each column's name in the warehouse and in the source."""
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise SourceRefused(
            f"'{relation}' has several columns named {', '.join(twice)}. Give them names of their "
            "own in the query."
        )
    names = {name: own for name, (own,) in distinct([columns], named, OURS).items()}
    lacking = [name for name in needed if name not in names]
    if lacking:
        raise SourceRefused(
            f"'{relation}' has no column {', '.join(lacking)}, by which it is to be read. It has "
            f"{', '.join(columns) or 'none'}. Check `key`, `cursor` and `taken_at`."
        )
    return names


def _refused(link: Link, relation: str, error: Exception, *, is_query: bool) -> SourceRefused:
    where = shown(str(link.url))
    reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
    if is_query:
        return SourceRefused(f"Cannot read the query '{relation}' in '{where}': {reason}.")
    schema, _, bare = relation.rpartition(".")
    there = sa.inspect(link.engine)
    known = [*there.get_table_names(schema or None), *there.get_view_names(schema or None)]
    if bare in known:
        return SourceRefused(
            f"Cannot read '{relation}' in '{where}': {reason}. Grant this user its reading, or "
            "leave the table out."
        )
    return SourceRefused(
        f"No table named '{relation}' in '{where}'. Tables there: "
        f"{', '.join(sorted(known)) or 'none'}. Check the name, its schema, and what this user may "
        "see."
    )


def _postgres(link: Link, place: str, codes: dict[str, Any], names: dict[str, str]) -> Selection:
    listed = ", ".join(str(int(code)) for code in {*codes.values(), 0})
    sql = f"select oid::bigint, typname, typcategory from pg_type where oid in ({listed})"
    types = {oid: (str(name), str(category)) for oid, name, category in link.rows(sql)}
    found = {name: types.get(codes[own], ("unknown", "X")) for name, own in names.items()}
    return Selection(
        link=link,
        relation=place,
        names=names,
        columns={n: _expression(link.quoted(names[n]), *kind) for n, kind in found.items()},
        kinds={n: POSTGRES_KINDS[kind] for n, (kind, _) in found.items() if kind in POSTGRES_KINDS},
    )


def _expression(name: str, kind: str, category: str) -> str:
    if kind in AS_THEY_ARE:
        return name
    return f"to_json({name})::text" if category in {"A", "C"} else f"{name}::text"
