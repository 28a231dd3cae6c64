"""The databases the shop can keep its orders in: SQLite, PostgreSQL, MySQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, ClassVar, Protocol

from demo.errors import ShopError

Row = Sequence[object]


class Database(Protocol):
    """What a sink asks of a database, inside one transaction."""

    types: ClassVar[dict[str, str]]
    """Column types by the names key, number, text, money, boolean and moment."""

    def run(self, sql: str) -> None:
        """Execute one statement."""

    def fetch(self, sql: str) -> list[Any]:
        """All rows of a query."""

    def delete(self, table: str, keys: Sequence[object]) -> None:
        """Delete rows by their ids."""

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows given in the table's column order."""


class Sqlite:
    """SQLite: its types are loose, and a BIGINT key may even be null."""

    types: ClassVar[dict[str, str]] = {
        "key": "bigint primary key",
        "number": "bigint",
        "text": "text",
        "money": "numeric(18, 2)",
        "boolean": "boolean",
        "moment": "timestamp",
    }

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, sql: str) -> None:
        """Execute one statement."""
        self._connection.execute(sql)

    def fetch(self, sql: str) -> list[Any]:
        """All rows of a query."""
        return self._connection.execute(sql).fetchall()

    def delete(self, table: str, keys: Sequence[object]) -> None:
        """Delete rows by their ids."""
        self._connection.executemany(f"delete from {table} where id = ?", [(key,) for key in keys])

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows given in the table's column order."""
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._connection.executemany(f"insert into {table} values ({marks})", rows)


class Server:
    """PostgreSQL or MySQL through any driver that writes parameters as %s."""

    types: ClassVar[dict[str, str]] = {
        "key": "bigint primary key",
        "number": "bigint",
        "text": "varchar(200)",
        "money": "numeric(18, 2)",
        "boolean": "boolean",
        "moment": "datetime",
    }

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def run(self, sql: str) -> None:
        """Execute one statement."""
        self._cursor.execute(sql)

    def fetch(self, sql: str) -> list[Any]:
        """All rows of a query."""
        self._cursor.execute(sql)
        return list(self._cursor.fetchall())

    def delete(self, table: str, keys: Sequence[object]) -> None:
        """Delete rows by their ids, a thousand in a statement."""
        for start in range(0, len(keys), 1000):
            some = ", ".join(str(key) for key in keys[start : start + 1000])
            self.run(f"delete from {table} where id in ({some})")

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows given in the table's column order."""
        if rows:
            marks = ", ".join(["%s"] * len(rows[0]))
            self._cursor.executemany(f"insert into {table} values ({marks})", rows)


class Postgres(Server):
    """PostgreSQL by psycopg2: moments with time zone, rows by COPY."""

    types: ClassVar[dict[str, str]] = Server.types | {"text": "text", "moment": "timestamptz"}

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Copy rows given in the table's column order."""
        import csv
        import io

        text = io.StringIO()
        csv.writer(text).writerows(rows)
        text.seek(0)
        self._cursor.copy_expert(f"copy {table} from stdin with (format csv)", text)


def is_strict(url: str) -> bool:
    """Whether a database keeps wrong types out of its columns."""
    return not url.startswith("sqlite")


@contextmanager
def connect(url: str) -> Iterator[Database]:
    """A transaction on the database of a SQLAlchemy URL: committed at the end, or undone.

    Raises:
        ShopError: No driver is installed for it, or it cannot be reached.
    """
    if is_strict(url):
        with _server(url) as database:
            yield database
    else:
        with _sqlite(url.removeprefix("sqlite:///")) as database:
            yield database


@contextmanager
def _sqlite(path: str) -> Iterator[Database]:
    with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as connection:
        connection.execute("begin immediate")
        try:
            yield Sqlite(connection)
        except BaseException:
            connection.execute("rollback")
            raise
        connection.execute("commit")


@contextmanager
def _server(url: str) -> Iterator[Database]:
    import sqlalchemy

    address = sqlalchemy.make_url(url)
    if address.drivername in {"postgresql", "postgres"}:
        address = address.set(drivername="postgresql+psycopg2")
    shown = address.render_as_string(hide_password=True)
    try:
        engine = sqlalchemy.create_engine(address, poolclass=sqlalchemy.NullPool)
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        raise _unusable(shown, error) from error
    try:
        with closing(engine.raw_connection()) as connection:
            yield _open(connection.cursor(), address.get_backend_name())
            connection.commit()
    except (sqlalchemy.exc.SQLAlchemyError, engine.dialect.loaded_dbapi.Error) as error:
        raise _unusable(shown, error) from error


def _open(cursor: Any, kind: str) -> Database:
    if kind != "postgresql":
        return Server(cursor)
    cursor.execute("set time zone 'UTC'")
    return Postgres(cursor)


def _unusable(shown: str, error: Exception) -> ShopError:
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return ShopError(
        f"The shop's database '{shown}' could not be used: {cause}. "
        "Check that it runs, that the URL is right and that its driver is installed."
    )
