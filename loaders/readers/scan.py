"""One look at a file: how many rows it has, and which of them gate one refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loaders.columns import literal
from loaders.gate import normalize, reject_select
from loaders.readers.formats import (
    Arrival,
    CsvOptions,
    broken_lines,
    csv_arrival,
    jsonl_arrival,
    parquet_arrival,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import duckdb

    from loaders.shape import Shape

FITTING: Final = {
    "varchar": {"VARCHAR"},
    "bigint": {"BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UINTEGER", "USMALLINT", "UTINYINT"},
    "double": {"DOUBLE", "FLOAT", "BIGINT", "INTEGER", "SMALLINT", "TINYINT"},
    "boolean": {"BOOLEAN"},
    "timestamptz": {"TIMESTAMP", "TIMESTAMP WITH TIME ZONE"},
    "date": {"DATE"},
}
"""Types of a Parquet column whose values all fit a declared type."""
LISTED_ROWS: Final = 1_000
"""Up to so many refused rows are left out by their line; beyond, by their reason."""


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What a look at one file found."""

    fields: Mapping[str, str]
    """Column to the SQL expression of what arrived for it."""
    read: int
    rejected: int
    passing: str
    """SQL relation of the rows that pass, with `_line` as in the file."""


class Scanner:
    """Looks at files in a DuckDB connection; what is refused goes to its table `rejects`."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        shape: Shape,
        csv: CsvOptions,
        load_id: str,
    ) -> None:
        self.connection = connection
        self.shape = shape
        self.csv = csv
        self.load_id = load_id

    def scan(self, origin: str, kind: str, path: Path) -> Scan | None:
        """Count a file's rows and record those that are refused; None when it is empty.

        Args:
            origin: the file's path as it is stored with the rows.
            kind: `csv`, `jsonl` or `parquet`.
            path: where it is now.
        """
        self.connection.execute("drop table if exists broken; drop table if exists broken_scan")
        arrival = self._arrival(kind, path)
        if arrival is None:
            return None
        fields = {normalize(name): expression for name, expression in arrival.fields.items()}
        self.shape.check(fields)
        reason = self._reason(arrival, fields)
        rows = self._look(arrival, reason)
        lines = self._broken_lines(origin) if kind == "csv" else []
        refused = self._refuse(origin, lines)
        if kind == "csv":  # what is broken has been recorded
            arrival = csv_arrival(path, self.csv, list(self.shape.types)) or arrival
        return Scan(
            fields=fields,
            read=rows + len(lines),
            rejected=len(refused) + len(lines),
            passing=_passing(arrival, reason, lines, refused),
        )

    def _arrival(self, kind: str, path: Path) -> Arrival | None:
        if kind == "csv":
            return csv_arrival(path, self.csv, list(self.shape.types), broken="broken")
        if kind == "jsonl":
            return jsonl_arrival(path, self._keys(path))
        return parquet_arrival(path, self.connection)

    def _keys(self, path: Path) -> list[str]:
        """Return every key that occurs in a JSON Lines file."""
        lines = jsonl_arrival(path, []).relation
        sql = f"select distinct unnest(json_keys(line)) from ({lines}) where is_object"
        return sorted(str(key) for (key,) in self.connection.execute(sql).fetchall())

    def _reason(self, arrival: Arrival, fields: dict[str, str]) -> str:
        doubtful = {n: e for n, e in fields.items() if not self._fits(n, arrival)}
        return f"concat_ws('; ', {arrival.unreadable}, nullif({self.shape.reason(doubtful)}, ''))"

    def _fits(self, name: str, arrival: Arrival) -> bool:
        types = {normalize(source): kind for source, kind in arrival.types.items()}
        declared = self.shape.types.get(name, "")
        if declared == "varchar" and not self.shape.rule.takes_nul:
            return False
        return types.get(name, "?").lower() == declared or types.get(name) in FITTING.get(
            declared, ()
        )

    def _look(self, arrival: Arrival, reason: str) -> int:
        """Read the file: keep refused rows in `looked`, return the count of all."""
        row = f"{{'line': _line, 'reason': {reason}, 'payload': {arrival.payload}}}"
        self.connection.execute(
            "create or replace temp table looked as select count(*) as count_rows, "
            f"list({row}) filter ({reason} <> '') as refused from ({arrival.relation})"
        )
        found = self.connection.execute("select count_rows from looked").fetchone()
        return int(found[0]) if found else 0

    def _broken_lines(self, origin: str) -> list[int]:
        """Record lines that are no rows, and return them in their order."""
        made = "select count(*) from duckdb_tables() where table_name = 'broken'"
        if not (self.connection.execute(made).fetchone() or [0])[0]:
            return []
        self._reject(origin, "reason", "payload", "line", broken_lines("broken"))
        sql = f"select line from {broken_lines('broken')} order by line"
        return [int(line) for (line,) in self.connection.execute(sql).fetchall()]

    def _refuse(self, origin: str, broken: list[int]) -> list[int]:
        """Record rows that do not fit, and return their lines as DuckDB counts them."""
        rows = "(select unnest(refused, recursive := true) from looked)"
        self._reject(origin, "reason", "payload", _moved("line", broken), rows)
        sql = f"select line from {rows} order by line"
        return [int(line) for (line,) in self.connection.execute(sql).fetchall()]

    def _reject(self, origin: str, reason: str, payload: str, position: str, rows: str) -> None:
        select = reject_select(
            self.shape.table,
            reason=reason,
            payload=payload,
            origin=literal(origin),
            position=position,
            load_id=self.load_id,
            by=f"{literal(origin)}, {position}",
        )
        self.connection.execute(f"insert into rejects select {select} from {rows}")


def _passing(arrival: Arrival, reason: str, broken: list[int], refused: list[int]) -> str:
    if len(refused) > LISTED_ROWS:
        where = f"where {reason} = ''"
    else:
        where = f"where _line not in ({', '.join(map(str, refused))})" if refused else ""
    rows = f"(select * from ({arrival.relation}) {where})"
    return (
        f"(select * replace ({_moved('_line', broken)} as _line) from {rows})" if broken else rows
    )


def _moved(line: str, broken: list[int]) -> str:
    """Return the expression of a row's line in the file, where broken lines stand before it.

    Args:
        line: expression of its line as DuckDB counts, broken lines left out.
        broken: the lines that are no rows.
    """
    if not broken:
        return line
    before = ", ".join(f"({number - rank})" for rank, number in enumerate(broken, 1))
    return (
        f"{line} + (select count(*) from (values {before}) as lines(before) where before < {line})"
    )
