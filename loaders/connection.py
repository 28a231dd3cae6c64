"""A small SQL connection that is the same on DuckDB and PostgreSQL."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from loaders.errors import WarehouseBusy, WarehouseFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa


RAW = "raw_"
"""How the schemas of loaded sources begin."""
TAKEN = ("staging", "intermediate", "marts", "quarantine", "outputs", "deliveries")
"""Further schemas of the warehouse."""
SHUT = "Permission denied|not permitted|Read-only|No space left"
"""What a file system says that lets nobody write to a file, whatever is in it."""


class Connection:
    """The same four calls on DuckDB and PostgreSQL; `?` marks a parameter on both."""

    def __init__(self, kind: str, raw: Any) -> None:
        self.kind = kind
        self.raw = raw
        self._cursor = raw if kind == "duckdb" else raw.cursor()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Self:
        """Run one statement; what it gives is fetched from the connection itself."""
        if self.kind == "duckdb":
            self.raw.execute(sql, list(parameters))
        else:
            statement = sql.replace("%", "%%").replace("?", "%s") if parameters else sql
            self._cursor.execute(statement, tuple(parameters) or None)
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows of the last statement."""
        return list(self._cursor.fetchall())

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row of the last statement, or None."""
        row = self._cursor.fetchone()
        return tuple(row) if row is not None else None

    def scalar(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """Run a statement and return the first column of its first row, or None."""
        row = self.execute(sql, parameters).fetchone()
        return row[0] if row else None

    def pages(self, sql: str, parameters: Sequence[Any], rows: int) -> Iterator[pa.Table]:
        """Run a statement and yield what it gives as Arrow, so many rows at a time."""
        import pyarrow as pa

        self.execute(sql, parameters)
        if self.kind == "duckdb":
            yield from map(pa.table, self.raw.to_arrow_reader(rows))
            return
        names = [str(column[0]) for column in self._cursor.description]
        while found := self._cursor.fetchmany(rows):
            yield pa.table([*map(pa.array, zip(*found, strict=True))], names=names)

    def table_exists(self, schema: str, table: str) -> bool:
        """Tell whether there is a table or view of this name."""
        sql = (
            "select count(*) from information_schema.tables "
            "where table_schema = ? and table_name = ?"
        )
        return bool(self.scalar(sql, [schema, table]))

    def columns(self, schema: str, table: str) -> list[str]:
        """Return the column names of a table in their order; none when it does not exist."""
        sql = (
            "select column_name from information_schema.columns "
            "where table_schema = ? and table_name = ? order by ordinal_position"
        )
        return [str(row[0]) for row in self.execute(sql, [schema, table]).fetchall()]

    def close(self) -> None:
        """Give the warehouse free."""
        self.raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect_duckdb(path: Path) -> Connection:
    """Open a DuckDB file, made with its folder when it is not there.

    Raises:
        WarehouseBusy: another process holds the file.
        WarehouseFailed: it cannot be opened.
    """
    import duckdb

    if path.stem.startswith(RAW) or path.stem in TAKEN:
        raise WarehouseFailed(
            f"Cannot use '{path}' as the warehouse: its name is that of a schema in it, and DuckDB "
            "could not tell them apart. Give the file another name, such as warehouse.duckdb."
        )
    try:
        with writable(path.parent):
            return Connection("duckdb", duckdb.connect(str(path)))
    except duckdb.IOException as error:
        if "lock" in str(error):
            raise WarehouseBusy(
                f"Cannot open the warehouse '{path}': another process has it open. Close "
                f"it, or read the published copy beside it, published.duckdb: it is never locked."
            ) from error
        raise WarehouseFailed(_unopened(path, error)) from error
    except duckdb.Error as error:
        raise WarehouseFailed(_unopened(path, error)) from error


def _unopened(path: Path, error: Exception) -> str:
    reason = str(error).splitlines()[0].rstrip(".")
    told = f"Cannot open the warehouse '{path}': {reason}. "
    if re.search(SHUT, reason):
        return (
            f"{told}Nothing in it was touched. See that this user may write to it, and that its "
            "disk has room and is not mounted read-only."
        )
    return (
        f"{told}If it is damaged, or no DuckDB file, move it away: a load makes a new one and "
        "reads its sources from the start. Or put back a copy."
    )


def connect_postgres(dsn: str) -> Connection:
    """Connect to PostgreSQL; each statement is its own transaction.

    Raises:
        WarehouseFailed: the server cannot be reached.
    """
    import psycopg2

    try:
        raw = psycopg2.connect(dsn, connect_timeout=10)
    except psycopg2.ProgrammingError as error:
        reason = re.sub('"[^"]*"', "a part of it", " ".join(str(error).split()))  # a password
        raise WarehouseFailed(
            f"Cannot read the warehouse's address '{shown(dsn)}': {reason}. Write it as "
            "postgresql://user:password@host:5432/database, with % and @ in a password as %25 "
            "and %40: TIDEMILL_POSTGRES_DSN."
        ) from None
    except psycopg2.OperationalError as error:
        reason = " ".join(str(error).split())
        raise WarehouseFailed(
            f"Cannot connect to the warehouse '{shown(dsn)}': {reason}. Check that PostgreSQL "
            "runs there, and TIDEMILL_POSTGRES_DSN (or PGHOST, PGPORT, PGUSER, PGPASSWORD, "
            "PGDATABASE)."
        ) from error
    raw.autocommit = True
    return Connection("postgres", raw)


def shown(dsn: str) -> str:
    """Return a database URL without its password, fit for a message."""
    return re.sub(r"//([^:@/]*):[^@]*@", r"//\1@", dsn)


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Turn a folder that cannot be written to into one clear sentence."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise WarehouseFailed(
            f"Cannot write to '{folder}': {error.strerror}. Make it writable, or set TIDEMILL_VAR "
            "to a folder that is."
        ) from error
