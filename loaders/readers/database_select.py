"""The SELECT that reads a relation: what of it, in which form, from where to where."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from loaders.columns import named
from loaders.connection import shown
from loaders.errors import SourceRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loaders.readers.database_link import Link

AS_THEY_ARE: Final = frozenset(
    {"bool", "int2", "int4", "int8", "float4", "float8", "numeric", "text", "varchar", "bpchar"}
    | {"date", "timestamp", "timestamptz", "bytea"}
)
"""PostgreSQL's types that arrive as what they are; of others the text, of arrays the JSON."""
MYSQL_BIT: Final = 16
MYSQL_TIME: Final = 11


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
    """Quoted, or a query in brackets."""
    columns: dict[str, str]
    """Each column's name in the warehouse and the SQL expression that it is read by."""
    names: dict[str, str]
    """Each column's name in the warehouse and its name in the source."""
    zoned: frozenset[str] = field(default_factory=frozenset)
    """Columns that hold times with their zone."""

    def quoted(self, name: str) -> str:
        """Return a column as the source names and quotes it, by its name in the warehouse."""
        return self.link.quoted(self.names.get(name, name))

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
            f"select {listed} from {self.relation}"
            + (f" where {conditions}" if conditions else "")
            + (f" order by {order_by}" if order_by else "")
            + (f" limit {limit}" if limit else "")
        )

    def between(self, column: str, found: Range) -> list[str]:
        """Return the conditions that hold a cursor column in a range."""
        name = self.quoted(column)
        or_null = "" if found.until is not None else f" or {name} is null"
        conditions = [
            f"{left} {sign} {right}{or_null}"
            for sign, value in ((">=", found.since), ("<", found.until))
            if value is not None
            for left, right in [
                self.link.since(self.names[column], value, has_zone=column in self.zoned)
            ]
        ]
        if found.no_later is not None:
            conditions.append(f"{name} <= {self.link.literal(found.no_later)}{or_null}")
        return conditions

    def behind(self, key: Sequence[str], last: Sequence[Any]) -> str:
        """Return the condition that a row comes after another one in the order of the key."""
        values = [self.link.literal(value) for value in last]
        names = [self.quoted(name) for name in key]
        steps = [
            " and ".join(
                [*(f"{names[i]} = {values[i]}" for i in range(at)), f"{names[at]} > {values[at]}"]
            )
            for at in range(len(key))
        ]
        return " or ".join(f"({step})" for step in steps)

    def among(self, key: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
        """Return the condition that a row has one of these keys."""
        if len(key) == 1:
            values = ", ".join(self.link.literal(row[0]) for row in rows)
            return f"{self.quoted(key[0])} in ({values})"
        return " or ".join(
            "("
            + " and ".join(
                f"{self.quoted(n)} = {self.link.literal(v)}" for n, v in zip(key, row, strict=True)
            )
            + ")"
            for row in rows
        )


def select(link: Link, relation: str, *, is_query: bool) -> Selection:
    """Look at a relation and return what SELECTs are made from.

    Raises:
        SourceRefused: there is no such table, or the query cannot be read.
    """
    place = f"({relation.rstrip().rstrip(';')}) as q" if is_query else link.relation(relation)
    try:
        described = link.described(place)
    except sa.exc.DBAPIError as error:
        if not isinstance(error, sa.exc.ProgrammingError) and "no such table" not in str(error):
            raise
        raise _refused(link, relation, error, is_query=is_query) from error
    codes = dict(described)
    names = _names(relation, codes)
    if link.kind == "postgresql":
        return _postgres(link, place, codes, names)
    columns = {name: _mysql(link, own, codes[own]) for name, own in names.items()}
    return Selection(link=link, relation=place, columns=columns, names=names)


def _names(relation: str, columns: Iterable[str]) -> dict[str, str]:
    """Return each column's name in the warehouse and in the source."""
    names: dict[str, str] = {}
    for own in columns:
        if named(own) in names:
            raise SourceRefused(
                f"The columns '{names[named(own)]}' and '{own}' of '{relation}' would both be "
                f"'{named(own)}' in the warehouse. Read a `query` that names one of them otherwise."
            )
        names[named(own)] = own
    return names


def _refused(link: Link, relation: str, error: Exception, *, is_query: bool) -> SourceRefused:
    where = shown(str(link.url))
    if is_query:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        return SourceRefused(f"Cannot read the query '{relation}' in '{where}': {reason}.")
    schema = relation.rpartition(".")[0]
    known = ", ".join(sorted(sa.inspect(link.engine).get_table_names(schema or None))) or "none"
    return SourceRefused(
        f"No table named '{relation}' in '{where}'. Tables there: {known}. Check the name, its "
        "schema, and what this user may see."
    )


def _mysql(link: Link, name: str, code: Any) -> str:
    quoted = link.quoted(name)
    if link.kind not in {"mysql", "mariadb"}:
        return quoted
    return {MYSQL_BIT: f"{quoted} + 0", MYSQL_TIME: f"cast({quoted} as char)"}.get(code, quoted)


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
        zoned=frozenset(name for name, kind in found.items() if kind[0] == "timestamptz"),
    )


def _expression(name: str, kind: str, category: str) -> str:
    if kind in AS_THEY_ARE:
        return name
    return f"to_json({name})::text" if category in {"A", "C"} else f"{name}::text"
