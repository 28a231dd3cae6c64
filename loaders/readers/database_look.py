"""A look at a relation before it is read: its columns, and how each of them is to be read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from loaders.columns import named
from loaders.connection import shown
from loaders.errors import SourceRefused, TableRefused
from loaders.naming import distinct
from loaders.readers.database_select import DECIMAL, ENUM, INSTANT, SINGLE, Selection

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
POSTGRES_KINDS: Final = {"timestamptz": INSTANT, "numeric": DECIMAL}
MYSQL_KINDS: Final = {0: DECIMAL, 246: DECIMAL, 4: SINGLE, 7: INSTANT, 247: ENUM, 248: ENUM}
BUILT_IN: Final[dict[int, tuple[str, str]]] = {}
"""PostgreSQL's own types that were met, whose numbers are the same in every database."""
FIRST_OF_USERS: Final = 16_384
"""From here on a type's number is its database's own."""
REFUSED: Final = "no such|syntax error|incomplete input|Duplicate column"
"""What SQLite and MySQL say of a wrong statement in the words of a lost connection."""
OURS: Final = ("_dlt_load_id", "_dlt_id")
"""Columns that dlt adds; a source's own of that name is numbered."""


def select(
    link: Link, relation: str, *, table: str, is_query: bool, needed: Iterable[str] = ()
) -> Selection:
    """Look at a relation and return what SELECTs are made from.

    Args:
        link: its database.
        relation: a table's or view's name, or a query.
        table: the raw table's name.
        is_query: which of both.
        needed: columns, as the warehouse names them, without which it cannot be read.

    Raises:
        SourceRefused: there is no such database.
        TableRefused: there is no such table, it lacks a column, or the query cannot be read.
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
        told = _refused(link, relation, error, is_query=is_query)
        raise TableRefused(told, table=table) from error
    try:
        names = _names(relation, [name for name, _ in described], needed)
    except SourceRefused as error:
        raise TableRefused(str(error), table=table) from error
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
        is_typed=link.kind != "sqlite" or (not is_query and _is_table(link, relation)),
    )


def _is_table(link: Link, relation: str) -> bool:
    name = link.literal(relation)
    found = f"select 1 from sqlite_master where type = 'table' and lower(name) = lower({name})"
    return bool(link.rows(found))


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


def _refused(link: Link, relation: str, error: Exception, *, is_query: bool) -> str:
    where = shown(str(link.url))
    reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
    if is_query:
        return f"Cannot read the query '{relation}' in '{where}': {reason}."
    if relation.rpartition(".")[2] in _known(link, relation):
        return (
            f"Cannot read '{relation}' in '{where}': {reason}. Grant this user its reading, or "
            "leave the table out."
        )
    return no_table(link, relation)


def no_table(link: Link, name: str) -> str:
    """Return what to tell of a table that a database has not."""
    return (
        f"No table named '{name}' in '{shown(str(link.url))}'. Tables there: "
        f"{', '.join(sorted(_known(link, name))) or 'none'}. Check the name, its schema, and what "
        "this user may see."
    )


def _known(link: Link, name: str) -> list[str]:
    """Return the tables and views of a table's schema."""
    schema = name.rpartition(".")[0] or None
    there = sa.inspect(link.engine)
    return [*there.get_table_names(schema), *there.get_view_names(schema)]


def _postgres(link: Link, place: str, codes: dict[str, Any], names: dict[str, str]) -> Selection:
    types = dict(BUILT_IN)
    if unknown := {int(code) for code in codes.values()} - types.keys():
        listed = ", ".join(map(str, sorted(unknown)))
        sql = f"select oid::bigint, typname, typcategory from pg_type where oid in ({listed})"
        types |= {oid: (str(name), str(category)) for oid, name, category in link.rows(sql)}
        BUILT_IN.update({oid: kind for oid, kind in types.items() if oid < FIRST_OF_USERS})
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
