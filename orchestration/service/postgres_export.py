"""An export from PostgreSQL: rows arrive as Arrow, and DuckDB writes them out as from its own."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from orchestration.service.export import Export
from orchestration.service.query import Statement
from orchestration.service.spooling import Spool

if TYPE_CHECKING:
    from pathlib import Path

    from orchestration.service.catalog import Mart
    from orchestration.service.published import Published


class Rows:
    """Looks like a DuckDB cursor on a table; closes what it reads from as well."""

    def __init__(self, source: Any, cursor: Any, folder: Path) -> None:
        import duckdb

        self.source = source
        self.cursor = cursor
        self.engine = duckdb.connect()
        self.engine.execute("set TimeZone = 'UTC'")
        self.spool = Spool(cursor.fetch_record_batch(), folder, self._let_go)
        self.engine.register("arrived", self.spool.reader())

    def _let_go(self) -> None:
        self.cursor.close()
        self.source.close()

    def execute(self, sql: str, values: list[Any]) -> Any:
        """Run a statement over the rows that arrive."""
        return self.engine.execute(sql, values)

    def interrupt(self) -> None:
        """End what runs."""
        with suppress(Exception):  # it may be at its end by now
            self.cursor.adbc_cancel()
        self.spool.close()
        self.engine.interrupt()

    def close(self) -> None:
        """Give all of it free."""
        self.spool.close()
        self.engine.close()


def begin(
    published: Published, mart: Mart, statement: Statement, form: str, *, gzip: bool
) -> Export:
    """Begin the export of a statement."""
    import adbc_driver_postgresql.dbapi as adbc

    source = adbc.connect(published.target.dsn)
    cursor = source.cursor()
    cursor.execute(f"set search_path to {published.schema}")
    cursor.execute(numbered(statement.sql), list(statement.values) or None)
    rows = Rows(source, cursor, published.folder)
    return Export(rows, Statement(sql=_typed(mart)), form, published.folder, gzip=gzip)


def numbered(sql: str) -> str:
    """Return SQL with $1, $2 for each question mark; there is none in a name."""
    first, *rest = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))


def _typed(mart: Mart) -> str:
    """Return the select over what arrived: exact numbers arrive as text."""
    columns = ", ".join(
        f'"{c.name}"::{c.data_type} as "{c.name}"' if c.kind == "decimal" else f'"{c.name}"'
        for c in mart.columns
    )
    return f"select {columns} from arrived"
