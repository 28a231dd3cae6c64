"""One file's rows put into a table in one pass; what gate one refuses is set aside.

Every row goes in as it is read, so that all cores can read: a row that is refused with a line below
zero. Then the lines are numbered by the order of the rows, and only a file that holds refused rows
is looked at again, for their text and their reasons, before they are taken out.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import duckdb

from loaders.columns import literal
from loaders.errors import RowsUnaccounted
from loaders.readers.aside import Aside, Span, count_broken
from loaders.readers.judged import BLANK, NOVEL, mark, normalized
from loaders.readers.line_ends import MixedLineEnds, are_mixed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from loaders.readers.arrivals import Arrivals, Arrive
    from loaders.readers.formats import Arrival
    from loaders.shape import Shape

NUMBERED_ROWS: Final = 2_000_000
"""Rows numbered at once: what changes is held in memory."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """What became of one file."""

    fields: frozenset[str]
    """The columns that it has."""
    read: int
    rejected: int


class Placer:
    """Puts files into one table of a DuckDB connection, and what is refused into `rejects`."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        into: str,
        shape: Shape,
        arrivals: Arrivals,
        load_id: str,
        widen: Callable[[Iterable[str]], None],
    ) -> None:
        """Begin with a table as it is.

        Args:
            connection: to where the table is; its `rejects` are made before.
            into: the table's name, as SQL.
            shape: what rows must be like.
            arrivals: looks files up.
            load_id: dlt's id of the load.
            widen: called with the columns of a file, to add those that the table lacks.
        """
        self.connection = connection
        self.into = into
        self.shape = shape
        self.arrivals = arrivals
        self.load_id = load_id
        self.widen = widen
        self.aside = Aside(connection, into, shape, load_id)

    def place(self, origin: str, kind: str, path: Path, *, edition: str = "") -> Placed | None:
        """Read one file; None when it is empty.

        Args:
            origin: the file's path as it is stored with the rows.
            kind: `csv`, `jsonl`, `array` or `parquet`.
            path: where it is now.
            edition: tells its rejects from those of the same line in an older version.

        Raises:
            Unreadable: it is cut off; nothing of it was kept. DuckDB's own errors mean the same.
            MixedLineEnds: nothing of it was kept.
        """
        self.aside.edition = edition
        self.aside.begin()
        arrive = self.arrivals.of(kind, path)
        if arrive is None:
            return None
        end = self._one(f"select coalesce(max(rowid), -1) + 1 from {self.into}")[0]
        arrival = self._insert(origin, kind, path, arrive, end)
        try:
            return self._finish(origin, path, kind, arrival, self._span(arrival, end))
        except BaseException:
            self._run(f"delete from {self.into} where rowid >= {end}")
            raise

    def _finish(self, origin: str, path: Path, kind: str, arrival: Arrival, span: Span) -> Placed:
        """Number the rows of a file that is in the table, and take out those that are refused."""
        is_odd = span.blank or count_broken(self.connection)
        if is_odd and are_mixed(path, kind, self.arrivals.csv.encoding):
            raise MixedLineEnds
        broken = self.aside.broken(origin) if kind != "parquet" else 0
        if not arrival.line:
            self._number(span, arrival.first_line, is_shifted=broken > 0)
        if span.refused:
            with self.arrivals.flowing(kind, path):
                self.aside.refused(origin, arrival, span)
        if span.refused or span.blank:
            self._run(f"delete from {self.into} where rowid >= {span.first} and _line < 0")
        return Placed(
            fields=frozenset(normalized(arrival)),
            read=span.rows - span.blank + broken,
            rejected=span.refused + broken,
        )

    def _insert(self, origin: str, kind: str, path: Path, arrive: Arrive, end: int) -> Arrival:
        """Read a file into the table; once more where an object has keys that were not known."""
        try:
            arrival = self._attempt(origin, kind, path, arrive)
            if arrival.is_novel != "false" and self._has_novel(end):
                key_lists = self.arrivals.key_lists(kind, path)
                if {key for keys in key_lists for key in keys} != arrival.fields.keys():
                    self._run("rollback")
                    all_keys = partial(arrive, key_lists=key_lists, are_all=True)
                    arrival = self._attempt(origin, kind, path, all_keys)
            self._run("commit")
        except BaseException:
            with suppress(duckdb.TransactionException):
                self._run("rollback")
            raise
        return arrival

    def _attempt(self, origin: str, kind: str, path: Path, arrive: Arrive) -> Arrival:
        """Begin a transaction with all of a file's rows."""
        with self.arrivals.flowing(kind, path) as place:
            arrival = arrive(place)
            self.shape = self.aside.shape = self.arrivals.judged(self.shape, kind, arrival)
            fields = normalized(arrival)
            self.shape.check(fields)
            unwanted = self.shape.rule.unknown(fields)
            self.widen(name for name in fields if name not in unwanted)
            self._run("begin")
            extra = f"{literal(origin)} as _file, {mark(arrival, self.shape)} as _line,"
            columns = self.shape.good(fields, load_id=self.load_id, extra=extra)
            self._run(f"insert into {self.into} by name select {columns} from ({arrival.relation})")
        return arrival

    def _span(self, arrival: Arrival, end: int) -> Span:
        """Look at the rows that stand behind what was the table's end."""
        blank = f"_line = {BLANK}" if arrival.is_blank != "false" else "false"
        first, last, rows, negative, blanks = self._one(
            "select coalesce(min(rowid), 0), coalesce(max(rowid), -1), count(*), "
            f"count(*) filter (_line < 0), count(*) filter ({blank}) "
            f"from {self.into} where rowid >= {end}"
        )
        if last - first + 1 != rows:
            raise RowsUnaccounted(
                f"Rows of '{self.shape.table}' do not stand together: {rows} between {first} and "
                f"{last}. Another process has written to the table; load again."
            )
        return Span(
            first=first,
            rows=rows,
            refused=negative - blanks,
            blank=blanks,
        )

    def _has_novel(self, end: int) -> bool:
        novel = f"rowid >= {end} and _line = {NOVEL}"
        return bool(self._one(f"select count(*) > 0 from {self.into} where {novel}")[0])

    def _number(self, span: Span, first_line: int, *, is_shifted: bool) -> None:
        """Give the rows of a file their lines, by their order; refused ones below zero."""
        sign = "case when _line < 0 then -1 else 1 end * " if span.refused or span.blank else ""
        counted = f"rowid - {span.first} + {first_line}"
        for begin in range(span.first, span.first + span.rows, NUMBERED_ROWS):
            rows = f"rowid >= {begin} and rowid < {begin + NUMBERED_ROWS}"
            if is_shifted:
                lines = (
                    "select _id, _counted + coalesce(_shift, 0) as _at from (select rowid as _id, "
                    f"{counted} as _counted from {self.into} where {rows}) "
                    "asof left join shifts on _counted > _before"
                )
                self._run(
                    f"update {self.into} set _line = {sign}_at from ({lines}) where rowid = _id"
                )
            else:
                self._run(f"update {self.into} set _line = {sign}({counted}) where {rows}")

    def _one(self, sql: str) -> tuple[Any, ...]:
        return self.connection.execute(sql).fetchall()[0]

    def _run(self, sql: str) -> None:
        self.connection.execute(sql)
