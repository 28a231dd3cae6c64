"""Where files land: in the raw table, under the id of a load that is not committed yet.

Models look at committed loads only. Should the load never be committed, the next one takes its rows
out again. What is refused goes to the table `rejects` of a DuckDB connection.
"""

from __future__ import annotations

from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING, Any, Final

import duckdb

from loaders.columns import quoted
from loaders.raw_client import sql_client
from loaders.readers.arrivals import Arrivals
from loaders.readers.arriving import ARRIVING, begin, discard
from loaders.readers.placing import Placed, Placer
from loaders.readers.straight import NotStraight, read, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from dlt import Pipeline

    from loaders.readers.formats import CsvOptions
    from loaders.shape import Shape

    Widen = Callable[[Iterable[str]], None]

MEMORY_LIMIT: Final = "400MB"
REJECTS: Final = (
    "create temp table rejects (reject_id varchar, table_name varchar, reason varchar, "
    "payload varchar, origin varchar, position varchar, rejected_at timestamptz, "
    "_dlt_load_id varchar)"
)


class InDuckDB:
    """A raw table of DuckDB, which reads the files itself."""

    def __init__(
        self,
        pipeline: Pipeline,
        shape: Shape,
        load_id: str,
        csv: CsvOptions,
        folder: Path,
        widen: Widen,
    ) -> None:
        """Take out what was never committed, and begin.

        Args:
            pipeline: dlt's, of the source.
            shape: what rows must be like.
            load_id: dlt's id of the load.
            csv: how CSV files are written.
            folder: for pipes.
            widen: called with the columns of a file, to `add` those that the table lacks.
        """
        self.load_id = load_id
        self.stack = ExitStack()
        client = self.stack.enter_context(sql_client(pipeline))
        self.connection: duckdb.DuckDBPyConnection = client.native_connection
        self.into: str = client.make_qualified_table_name(shape.table)
        begin(
            self._run, client.make_qualified_table_name(ARRIVING), shape.table, self.into, load_id
        )
        self.known = _prepared(self.connection, self.into)
        arrivals = Arrivals(self.connection, csv, shape.types, folder / "pipe")
        self.placer = Placer(self.connection, self.into, shape, arrivals, load_id, widen)

    def place(self, origin: str, kind: str, path: Path, *, edition: str) -> Placed | None:
        """Read a file; see Placer."""
        return self.placer.place(origin, kind, path, edition=edition)

    def add(self, kinds: Mapping[str, str], _hints: Mapping[str, Any]) -> None:
        """Add columns of DuckDB types, and of dlt hints that mean the same."""
        _add(self.connection, self.into, kinds)

    def discard(self) -> None:
        """Take out what this load has brought."""
        with suppress(duckdb.Error):
            discard(self._run, self.into, self.load_id)

    def close(self) -> None:
        """Disconnect."""
        self.stack.close()

    def _run(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()


class InPostgres:
    """A raw table of PostgreSQL; a DuckDB reads the files, and holds one that has refused rows."""

    def __init__(
        self,
        pipeline: Pipeline,
        shape: Shape,
        load_id: str,
        csv: CsvOptions,
        folder: Path,
        widen: Widen,
    ) -> None:
        """Take out what was never committed, and begin; see InDuckDB."""
        from loaders.readers.raw_postgres import RawPostgres

        self.shape, self.load_id, self.widen = shape, load_id, widen
        self.stack = ExitStack()
        self.raw = self.stack.enter_context(closing(RawPostgres(pipeline, shape.table)))
        record = self.raw.sql.make_qualified_table_name(ARRIVING)
        begin(self.raw.run, record, shape.table, self.raw.name, load_id)
        self.connection = self.stack.enter_context(duckdb.connect(str(folder / "aside.duckdb")))
        self.connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
        columns = shape.good({}, load_id="", extra="'' as _file, 0::bigint as _line,")
        self.connection.execute(f"create table arrived as select {columns} limit 0")
        self.known = _prepared(self.connection, "arrived") & self.raw.columns()
        self.arrivals = Arrivals(self.connection, csv, shape.types, folder / "pipe")
        self.placer = Placer(self.connection, "arrived", shape, self.arrivals, load_id, widen)

    def place(self, origin: str, kind: str, path: Path, *, edition: str) -> Placed | None:
        """Read a file, straight if all its rows are good; see Placer."""
        try:
            self.placer.aside.begin()
            return stream(
                self.connection,
                self.raw,
                shape=self.shape,
                load_id=self.load_id,
                origin=origin,
                kind=kind,
                path=path,
                arrivals=self.arrivals,
                widen=self.widen,
            )
        except NotStraight:
            placed = self.placer.place(origin, kind, path, edition=edition)
        with self.raw.transaction():
            batches = read(self.connection, "select * from arrived", self.shape)
            self.raw.send(batches.schema, batches)
        self.connection.execute("truncate arrived")
        return placed

    def add(self, kinds: Mapping[str, str], hints: Mapping[str, Any]) -> None:
        """Add columns of DuckDB types, and of dlt hints that mean the same."""
        _add(self.connection, "arrived", kinds)
        self.raw.add(hints)

    def discard(self) -> None:
        """Take out what this load has brought."""
        discard(self.raw.run, self.raw.name, self.load_id)

    def close(self) -> None:
        """Disconnect."""
        self.stack.close()


def _prepared(connection: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    """Make a connection ready, and return the columns of a table."""
    # lines are numbered by the order of rows, which a merge that failed may have set free
    connection.execute("set TimeZone = 'UTC'; set preserve_insertion_order = true")
    connection.execute(REJECTS)
    return set(connection.execute(f"select * from {table} limit 0").to_arrow_table().column_names)


def _add(connection: duckdb.DuckDBPyConnection, table: str, kinds: Mapping[str, str]) -> None:
    """Add columns; a table without rows is made anew, which takes a thousand no longer than one."""
    if connection.execute(f"select 1 from {table} limit 1").fetchone():
        for name, kind in kinds.items():
            connection.execute(f"alter table {table} add column {quoted(name)} {kind}")
        return
    there = connection.execute(f"describe {table}").fetchall()
    columns = [f"{quoted(n)} {kind}{' not null' * (null == 'NO')}" for n, kind, null, *_ in there]
    columns += [f"{quoted(name)} {kind}" for name, kind in kinds.items()]
    connection.execute(f"create or replace table {table} ({', '.join(columns)})")
