"""What of a file is refused: broken lines and rows that do not fit, kept with line and raw text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from loaders.columns import literal
from loaders.errors import RowsUnaccounted
from loaders.gate import reject_select
from loaders.readers.judged import doubtful

if TYPE_CHECKING:
    import duckdb

    from loaders.readers.formats import Arrival
    from loaders.shape import Shape

LISTED_ROWS: Final = 100_000
"""Up to so many refused rows are found again by their line; beyond, by their reason."""
BROKEN: Final = (
    "(select line, any_value(csv_line) as payload, "
    "arg_min(lower(error_type) || ': ' || error_message, byte_position) as reason "
    "from temp.broken group by line)"
)
"""Each line of a CSV file that is no row, of what DuckDB tells of it."""


def count_broken(connection: duckdb.DuckDBPyConnection) -> int:
    """Return how often DuckDB told of a line that is no row since the last `begin`."""
    made = "select count(*) from duckdb_tables() where temporary and table_name = 'broken'"
    if not connection.execute(made).fetchall()[0][0]:
        return 0
    return int(connection.execute("select count(*) from temp.broken").fetchall()[0][0])


@dataclass(frozen=True, kw_only=True)
class Span:
    """The rows that one file made in the table; they follow each other as in the file."""

    first: int
    """The first row's id in DuckDB."""
    rows: int
    refused: int
    blank: int


class Aside:
    """Puts what is refused into the table `rejects` of a connection."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, into: str, shape: Shape, load_id: str
    ) -> None:
        self.connection = connection
        self.into = into
        self.shape = shape
        self.load_id = load_id
        self.edition = ""
        """Tells a file's rejects from those of the same line in an older version."""

    def begin(self) -> None:
        """Forget the file before."""
        for name in ("broken", "broken_scan"):
            self.connection.execute(f"drop table if exists temp.{name}")

    def broken(self, origin: str) -> int:
        """Record lines of a CSV file that are no rows, and how far they shift the lines of rows."""
        if not count_broken(self.connection):
            return 0
        count = self._reject(origin, "line", BROKEN)
        shifts = f"select line, row_number() over (order by line) as shift from {BROKEN}"
        self.connection.execute(
            "create or replace temp table shifts as select line - shift as _before, "
            f"max(shift) as _shift from ({shifts}) group by _before"
        )
        return count

    def refused(self, origin: str, arrival: Arrival, span: Span) -> None:
        """Record the rows of a span whose line is below zero; their file is read once more."""
        self.begin()
        counted = "-_line" if arrival.line else f"rowid - {span.first} + {arrival.first_line}"
        self.connection.execute(
            f"create or replace temp table refused as select {counted} as counted, -_line as line "
            f"from {self.into} where rowid >= {span.first} and _line < 0"
        )
        row = arrival.line or f"row_number() over () + {arrival.first_line - 1}"
        misfit = f"nullif({self.shape.reason(doubtful(arrival, self.shape))}, '')"
        judged = (
            f"select *, concat_ws('; ', {arrival.unreadable}, {misfit}) as _reason "
            f"from (select *, {row} as _row from ({arrival.relation})) "
            f"where {self._among(span)} and not ({arrival.is_blank})"
        )
        rows = (
            f"select _row, _reason as reason, {arrival.payload} as payload "
            f"from (select * from ({judged}) where _reason <> '')"
        )
        told = f"(select line, reason, payload from ({rows}) join refused on counted = _row)"
        found = self._reject(origin, "line", told)
        if found != span.refused:
            raise RowsUnaccounted(
                f"The file '{origin}' has changed while it was read: {span.refused} rows were "
                f"refused, {found} are there now. Nothing of this load was kept; load again."
            )

    def _among(self, span: Span) -> str:
        if span.refused + span.blank > LISTED_ROWS:
            return "true"
        rows = self.connection.execute("select counted from refused").fetchall()
        return f"_row in ({', '.join(str(row) for (row,) in rows)})"

    def _reject(self, origin: str, position: str, rows: str) -> int:
        by = f"{literal(origin)}, {position}"
        select = reject_select(
            self.shape.table,
            reason="reason",
            payload="payload",
            origin=literal(origin),
            position=position,
            load_id=self.load_id,
            by=f"{by}, {literal(self.edition)}" if self.edition else by,
        )
        return int(self._scalar(f"insert into rejects select {select} from {rows}") or 0)

    def _scalar(self, sql: str) -> Any:
        return self.connection.execute(sql).fetchall()[0][0]
