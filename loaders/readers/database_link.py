"""A database as a place to read from: its SQL dialect, and Arrow batches of a statement's rows.

PostgreSQL's rows come as Arrow through ADBC (its binary COPY); any other database's through
SQLAlchemy's server-side cursor.
"""

from __future__ import annotations

import math
from contextlib import contextmanager, nullcontext
from datetime import UTC, date, datetime
from functools import cached_property, lru_cache, partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import pyarrow as pa
import sqlalchemy as sa

from loaders.addresses import read_address
from loaders.readers.database_postgres import BYTES_AT_ONCE, arrow_batches
from loaders.readers.database_values import Sql, array, exact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DRIVERS: Final = {
    "postgres": "postgresql+psycopg2",
    "postgresql": "postgresql+psycopg2",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
ENUMS: Final = {256: 247, 2048: 248}
"""MySQL's flags of enums and sets, and the codes of those types."""
FIRST_TIMES: Final = {
    "mysql": "'0001-01-01'",
    "mariadb": "'0001-01-01'",
    "postgresql": "'4713-01-01 BC'",
}
OPENING: Final = Lock()
"""DuckDB takes a file that one thread closes while another opens it for one that is attached."""
AS_TEXT: Final = partial(str, encoding="utf-8", errors="surrogateescape")


class Link:
    """One database; each statement has its own connection, so that tables can be read at once."""

    def __init__(self, url: str, time_zone: str = "UTC") -> None:
        with read_address("postgresql://user:password@host:5432/database"):
            self.url = with_driver(sa.make_url(url))
            self.engine = _engine(self.url)
        self.zone = ZoneInfo(time_zone)
        self.kind = self.engine.dialect.name
        self.is_mysql = self.kind in {"mysql", "mariadb"}

    @cached_property
    def _dialect(self) -> Any:
        """A dialect for text that is run without parameters, in which % is no sign."""
        kind: Any = type(self.engine.dialect)
        return kind(paramstyle="named")

    def quoted(self, name: str) -> str:
        """Return a column's name as this database quotes it."""
        return str(self._dialect.identifier_preparer.quote_identifier(name))

    def relation(self, name: str) -> str:
        """Return a table's name, with its schema if it has one, as this database quotes it."""
        schema, _, bare = name.rpartition(".")
        return ".".join(self.quoted(part) for part in (schema, bare) if part)

    def literal(self, value: Any) -> str:
        """Return a value as this database writes it."""
        if isinstance(value, bytes):
            return f"'\\x{value.hex()}'" if self.kind == "postgresql" else f"x'{value.hex()}'"
        if isinstance(value, Sql):
            return value
        if isinstance(value, float) and self.kind == "sqlite":
            return exact(value)
        if isinstance(value, str) and self.kind == "sqlite" and not value.isprintable():
            return f"+cast(x'{value.encode(errors='surrogateescape').hex()}' as text)"
        if isinstance(value, float) and not math.isfinite(value):
            return f"'{value}'"
        if isinstance(value, datetime) and value.tzinfo and self.is_mysql:
            value = value.astimezone(UTC).replace(tzinfo=None)  # as the session's times are
        kind = ""
        if isinstance(value, datetime) and self.kind == "postgresql":  # a date would cut it
            kind = "timestamptz " if value.tzinfo else "timestamp "
        found = sa.literal(value).compile(
            dialect=self._dialect, compile_kwargs={"literal_binds": True}
        )
        return f"{kind}{found}"

    def since(self, column: str, value: Any, *, has_zone: bool) -> tuple[str, str]:
        """Return the two sides of a comparison of a column with a cursor's value."""
        name = self.quoted(column)
        if not isinstance(value, datetime):
            return name, self.literal(value)
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        if has_zone:
            return name, self.literal(moment.astimezone(UTC))
        local = moment.astimezone(self.zone).replace(tzinfo=None)
        if self.kind != "sqlite":
            return name, self.literal(local)
        # texts in some form, with a zone or without: compared as whole seconds
        there, here = (t.strftime("'%Y-%m-%d %H:%M:%S'") for t in (moment.astimezone(UTC), local))
        zoned = f"{name} like '%Z' or {name} glob '*[+-][0-9][0-9]:[0-9][0-9]'"
        return f"datetime({name})", f"case when {zoned} then {there} else {here} end"

    def timeless(self, column: str, value: Any) -> str:
        """Return the condition that a row's cursor is nothing that a value can be compared with.

        That is null, a time before all others (MySQL's 0000-00-00, PostgreSQL's -infinity), and
        a text of SQLite's that is no time.
        """
        name = self.quoted(column)
        if not isinstance(value, date):
            return f"{name} is null"
        if self.kind == "sqlite":
            return f"datetime({name}) is null"
        first = FIRST_TIMES.get(self.kind)
        return f"{name} is null" + (f" or {name} < {first}" if first else "")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return all rows of a small statement."""
        with self._connected() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def described(self, relation: str) -> list[tuple[str, Any]]:
        """Return the columns of a relation, each with its driver's code of its type."""
        with self._connected() as connection:
            sql = f"select * from {relation} q where 1 = 0"
            cursor: Any = connection.exec_driver_sql(sql).cursor
            fields = getattr(getattr(cursor, "_result", None), "fields", None)
            if fields:  # PyMySQL's, whose description tells no enum from a text
                return [(f.name, ENUMS.get(f.flags & (256 | 2048), f.type_code)) for f in fields]
            return [(str(column[0]), column[1]) for column in cursor.description]

    def write(self, statements: Sequence[str]) -> None:
        """Run statements in one transaction."""
        with self._connected() as connection, connection.begin():
            for sql in statements:
                connection.exec_driver_sql(sql)

    def batches(self, sql: str, batch_size: int) -> Iterator[pa.Table]:
        """Yield a statement's rows as they come, at most so many at once.

        Raises:
            SourceUnreachable: the connection was lost.
            SourceRefused: the database refuses the statement.
        """
        is_postgres = self.kind == "postgresql"
        found = arrow_batches(self.url, sql) if is_postgres else self._fetched(sql, batch_size)
        for table in found:
            for start in range(0, table.num_rows, batch_size):
                yield table.slice(start, batch_size)

    def _fetched(self, sql: str, batch_size: int) -> Iterator[pa.Table]:
        with self._connected(stream_results=True) as connection:
            result = connection.exec_driver_sql(sql)
            names = list(result.keys())
            size = 1  # what rows weigh tells how many may be fetched at once
            is_whole = False
            try:
                while rows := result.fetchmany(size):
                    table = pa.table([*map(array, zip(*rows, strict=True))], names=names)
                    yield table
                    fitting = size * BYTES_AT_ONCE // max(table.nbytes, 1)
                    size = max(1, min(batch_size, 4 * size, fitting))
                is_whole = True
            finally:
                if not is_whole:
                    _break_off(connection, result)

    @contextmanager
    def _opened(self) -> Iterator[sa.Connection]:
        guard: Any = OPENING if self.kind == "duckdb" else nullcontext()
        with guard:
            raw = self.engine.connect()
        try:
            yield raw
        finally:
            with guard:
                raw.close()

    @contextmanager
    def _connected(self, **options: Any) -> Iterator[sa.Connection]:
        with self._opened() as raw:
            if self.is_mysql:
                raw.exec_driver_sql("set time_zone = '+00:00'")
                raw.commit()
            if self.kind == "sqlite":  # whose texts may be bytes of any kind
                raw.connection.driver_connection.text_factory = AS_TEXT  # type: ignore[union-attr]
            yield raw.execution_options(no_parameters=True, **options)


def _break_off(connection: sa.Connection, result: sa.CursorResult[Any]) -> None:
    """Leave the rest of a result unread; PyMySQL would fetch all of it to throw it away."""
    unread: Any = getattr(result.cursor, "_result", None)
    if hasattr(unread, "unbuffered_active"):
        unread.unbuffered_active = False
    connection.invalidate()


@lru_cache(maxsize=16)
def _engine(url: sa.URL) -> sa.Engine:
    """Return an engine, the same for all tables: with its first connection it asks for a lot."""
    return sa.create_engine(url, poolclass=sa.NullPool)


def with_driver(url: sa.URL) -> sa.URL:
    """Return the URL with the driver that is installed, where it names none."""
    return url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
