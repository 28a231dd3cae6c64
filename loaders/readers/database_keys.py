"""Where a page of rows ends: the key of its last row as SQL, exact whatever kind it is of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from loaders.readers.database_select import DECIMAL
from loaders.readers.database_values import Sql, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loaders.readers.database_select import Selection

SQLITE_LITERAL: Final = (
    "case typeof({0}) when 'text' then '+cast(x''' || hex({0}) || ''' as text)' "
    "when 'real' then printf('real %!.20e', {0}) else quote({0}) end"
)
"""A value as SQL, but for fractions, of which all digits are told; the plus keeps a text from
making its column's numbers texts to be compared with it."""
MICROSECONDS: Final = 1_000_000
DAY: Final = 86_400 * MICROSECONDS
DAYS_TO_2000: Final = 10_957
"""From 1970, where Arrow counts from, to where PostgreSQL does."""


@dataclass(frozen=True)
class Keys:
    """The keys of a selection's rows, in the order of its database."""

    selection: Selection
    names: Sequence[str]

    @cached_property
    def columns(self) -> list[str]:
        """Return what to order by."""
        return [self.selection.ordered(name) for name in self.names]

    @property
    def _told(self) -> list[str]:
        """Return what is selected besides: SQLite has values of any kind in any column."""
        if self.selection.link.kind != "sqlite":
            return []
        return [SQLITE_LITERAL.format(column) for column in self.columns]

    def sql(self, where: Iterable[str], limit: int = 0) -> str:
        """Return the SELECT of rows that have a key, in its order where they are limited."""
        there = [f"{column} is not null" for column in self.columns]
        return self.selection.sql(
            where=[*where, *there],
            order_by=", ".join(self.columns) if limit else "",
            limit=limit,
            also=self._told,
        )

    def last(self, page: Sequence[pa.Table]) -> list[str]:
        """Return the key of the last row as SQL."""
        link, row = self.selection.link, page[-1].slice(page[-1].num_rows - 1)
        if self._told:
            told = [str(row.column(-at)[0]) for at in range(len(self.names), 0, -1)]
            return [link.literal(float(t[5:])) if t.startswith("real") else t for t in told]
        return [*map(link.literal, self.rows(row)[0])]

    def values(self, name: str, column: pa.ChunkedArray) -> list[Any]:
        """Return what came of a key's column, as its database takes it."""
        if self._is_moment(column):
            return [Sql(_moment(count, column.type)) for count in _counts(column)]
        values: list[Any] = column.to_pylist()
        if self.selection.link.is_mysql and self.selection.kinds.get(name) == DECIMAL:
            return [*map(Sql, values)]  # a text would be compared as a double
        return values

    def rows(self, table: pa.Table) -> list[tuple[Any, ...]]:
        """Return the keys of some rows; see `values`."""
        columns = [self.values(name, table.column(name)) for name in self.names]
        return list(zip(*columns, strict=True))

    def _is_moment(self, column: pa.ChunkedArray) -> bool:
        """Tell whether these are times of PostgreSQL's, which has more of them than Python."""
        return self.selection.link.kind == "postgresql" and pa.types.is_temporal(column.type)

    def behind(self, last: Sequence[str]) -> str:
        """Return the condition that a row comes after the one of this key."""
        steps = [
            " and ".join([*self._same(last[:at]), f"{self.columns[at]} > {last[at]}"])
            for at in range(len(last))
        ]
        behind = " or ".join(f"({step})" for step in steps)
        return f"{self.columns[0]} >= {last[0]} and ({behind})"  # the first lets an index be used

    def at(self, last: Sequence[str]) -> str:
        """Return the condition that the database takes a row's key for this one."""
        return " and ".join(self._same(last))

    def _same(self, last: Sequence[str]) -> list[str]:
        return [
            f"{name} = {value}" for name, value in zip(self.columns[: len(last)], last, strict=True)
        ]

    def without(self, page: Sequence[pa.Table], others: Sequence[pa.Table]) -> list[pa.Table]:
        """Return a page without the rows that have the key of one of the others."""
        known = {key for table in others for key in self._exact(table)}
        return [table.filter([key not in known for key in self._exact(table)]) for table in page]

    def _exact(self, table: pa.Table) -> list[tuple[Any, ...]]:
        values: list[list[Any]] = []
        for name in self.names:
            column = table.column(name)
            is_moment = self._is_moment(column)
            values.append(_counts(column) if is_moment else [*map(text, column.to_pylist())])
        return list(zip(*values, strict=True))

    def bare(self, table: pa.Table) -> pa.Table:
        """Return rows without what was selected besides."""
        return table.select(list(range(table.num_columns - len(self._told))))


def _counts(column: pa.ChunkedArray) -> list[int]:
    """Return times as numbers: Python has none before the year 1 and after 9999."""
    width = pa.int32() if pa.types.is_date32(column.type) else pa.int64()
    return [int(value) for value in column.cast(width).to_pylist()]


def _moment(count: int, kind: pa.DataType) -> str:
    """Return a time of PostgreSQL's as SQL; its infinities lie at the ends of its numbers."""
    is_date = pa.types.is_date32(kind)
    end = 2 ** (31 if is_date else 63)
    since_2000 = count - DAYS_TO_2000 * (1 if is_date else DAY)
    since_2000 = (since_2000 + end) % (2 * end) - end  # Arrow's number may have run over
    if since_2000 in {end - 1, -end}:
        return "'infinity'" if since_2000 > 0 else "'-infinity'"
    if is_date:
        return f"date '2000-01-01' + ({since_2000})"
    days, rest = divmod(since_2000, DAY)
    moment = f"timestamp '2000-01-01' + interval '{days} days' + interval '{rest} microseconds'"
    return f"({moment}) at time zone 'UTC'" if kind.tz else f"({moment})"
