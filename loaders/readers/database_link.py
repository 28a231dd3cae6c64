"""A database as a place to read from: its SQL dialect, and Arrow batches of a statement's rows.

PostgreSQL's rows come as Arrow through ADBC (its binary COPY); any other database's through
SQLAlchemy's server-side cursor.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import pyarrow as pa
import sqlalchemy as sa

from loaders.addresses import read_address
from loaders.connection import shown
from loaders.errors import SourceRefused, SourceUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BYTES_AT_ONCE: Final = 16 << 20
DRIVERS: Final = {
    "postgres": "postgresql+psycopg2",
    "postgresql": "postgresql+psycopg2",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
REFUSED: Final = ("28", "42", "3D")
"""SQLSTATE classes: password, name or right, database."""


class Link:
    """One database; each statement has its own connection, so that tables can be read at once."""

    def __init__(self, url: str, time_zone: str = "UTC") -> None:
        with read_address("postgresql://user:password@host:5432/database"):
            self.url = with_driver(sa.make_url(url))
            self.engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        self.zone = ZoneInfo(time_zone)
        self.kind = self.engine.dialect.name

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
        found = sa.literal(value).compile(
            dialect=self._dialect, compile_kwargs={"literal_binds": True}
        )
        return str(found)

    def since(self, column: str, value: Any, *, has_zone: bool) -> tuple[str, str]:
        """Return the two sides of a comparison of a column with a cursor's value."""
        name = self.quoted(column)
        if not isinstance(value, datetime):
            return name, self.literal(value)
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        if has_zone:
            return name, self.literal(moment.astimezone(UTC))
        local = moment.astimezone(self.zone).replace(tzinfo=None)
        if self.kind == "sqlite":  # texts in some form: compared as whole seconds
            return f"datetime({name})", self.literal(local.strftime("%Y-%m-%d %H:%M:%S"))
        return name, self.literal(local)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return all rows of a small statement."""
        with self._connected() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def described(self, relation: str) -> list[tuple[str, Any]]:
        """Return the columns of a relation, each with its driver's code of its type."""
        with self._connected() as connection:
            cursor = connection.exec_driver_sql(f"select * from {relation} where 1 = 0").cursor
            found = cursor.description if cursor else ()
            return [(str(column[0]), column[1]) for column in found]

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
        found = self._from_postgres(sql) if is_postgres else self._fetched(sql, batch_size)
        for table in found:
            for start in range(0, table.num_rows, batch_size):
                yield table.slice(start, batch_size)

    def _from_postgres(self, sql: str) -> Iterator[pa.Table]:
        import adbc_driver_postgresql.dbapi as adbc

        url = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with self._explained(), adbc.connect(url) as connection, connection.cursor() as cursor:
            cursor.adbc_statement.set_options(
                **{"adbc.postgresql.batch_size_hint_bytes": str(BYTES_AT_ONCE)}
            )
            cursor.execute(sql)
            for batch in cursor.fetch_record_batch():
                yield pa.Table.from_batches([plain(batch)])

    def _fetched(self, sql: str, batch_size: int) -> Iterator[pa.Table]:
        with self._connected(stream_results=True) as connection:
            result = connection.exec_driver_sql(sql)
            names = list(result.keys())
            is_whole = False
            try:
                while rows := result.fetchmany(batch_size):
                    columns = [array(values) for values in zip(*rows, strict=True)]
                    yield pa.table(columns, names=names)
                is_whole = True
            finally:
                if not is_whole:
                    _break_off(connection, result)

    @contextmanager
    def _connected(self, **options: Any) -> Iterator[sa.Connection]:
        with self.engine.connect() as raw:
            if self.kind in {"mysql", "mariadb"}:
                raw.exec_driver_sql("set time_zone = '+00:00'")
                raw.commit()
            yield raw.execution_options(no_parameters=True, **options)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Tell what PostgreSQL said in our words; SQLAlchemy's errors are told by explain()."""
        import adbc_driver_manager

        try:
            yield
        except adbc_driver_manager.Error as error:
            state = error.sqlstate or ""
            kind = SourceRefused if state.startswith(REFUSED) else SourceUnreachable
            reason = " ".join(str(error).split())
            raise kind(
                f"Cannot read from '{shown(str(self.url))}': {reason}. Nothing of this load is "
                "visible. Check that the database runs and what this user may see, and load again."
            ) from error


def _break_off(connection: sa.Connection, result: sa.CursorResult[Any]) -> None:
    """Leave the rest of a result unread; PyMySQL would fetch all of it to throw it away."""
    unread: Any = getattr(result.cursor, "_result", None)
    if hasattr(unread, "unbuffered_active"):
        unread.unbuffered_active = False
    connection.invalidate()


def with_driver(url: sa.URL) -> sa.URL:
    """Return the URL with the driver that is installed, where it names none."""
    return url.set(drivername=DRIVERS.get(url.drivername, url.drivername))


def plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch with what PostgreSQL has no Arrow type for as its plain text."""
    arrays = [a.storage if isinstance(a, pa.ExtensionArray) else a for a in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def array(values: Sequence[Any]) -> pa.Array:
    """Return a column of Python values as Arrow; as text where they are of several kinds.

    Whatever batch a value comes in, its text is the same: hence no mixing of whole numbers with
    fractions, and decimals, whose scale Arrow would take from their neighbours, always as text.
    """
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1 and not kinds & {Decimal, dict, list}:
        try:
            return pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
            pass
    return pa.array([text(value) for value in values], pa.string())


def text(value: Any) -> str | None:
    """Return a value as DuckDB would write it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, datetime):
        whole, _, fraction = value.isoformat(" ").partition(".")
        return f"{whole}.{fraction.rstrip('0')}" if fraction else whole
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)
