"""MySQL and MariaDB: LOAD DATA into a temporary table, then an update and an insert."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

from loaders.delivery_sql import family
from loaders.errors import LoaderError
from loaders.senders.copying import export
from loaders.senders.databases.far import STAGING, FarDatabase, Types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loaders.outbox import Outbox, Span

TEXT = "character set utf8mb4 collate utf8mb4_bin"
"""Keys and texts that differ in case or accents are not the same."""
KEY_LENGTH = 255
_TRANSIENT = frozenset({1020, 1040, 1205, 1213, 2002, 2003, 2006, 2013, 2055})
_OURS = frozenset({1044, 1045, 1049, 1054, 1064, 1142, 1143, 1146, 1148, 4166})
"""Rights, unknown names, syntax: no row is to blame."""


class Mysql(FarDatabase):
    """MySQL or MariaDB, by PyMySQL."""

    mark = "`"
    types: ClassVar[dict[str, str]] = {
        "integer": "bigint",
        "double": "double",
        "boolean": "boolean",
        "date": "date",
        "timestamp": "datetime(6)",
        "timestamptz": "datetime(6)",
        "text": f"longtext {TEXT}",
    }

    @property
    def error(self) -> type[Exception]:
        """All that PyMySQL raises."""
        error: type[Exception] = _driver().err.Error
        return error

    def open(self) -> Any:
        """Connect; the server may then ask for the file that LOAD DATA names."""
        return _driver().connect(
            host=self.address.host or "localhost",
            port=self.address.port or 3306,
            user=self.address.user or "",
            password=self.address.password or "",
            database=self.address.database,
            unix_socket=self.address.options.get("unix_socket") or None,
            charset="utf8mb4",
            local_infile=True,
            connect_timeout=10,
            init_command="set time_zone = '+00:00'",
        )

    def type_of(self, kind: str, *, is_key: bool) -> str:
        """A text key has to have a length."""
        if is_key and family(kind) == "text":
            return f"varchar({KEY_LENGTH}) {TEXT}"
        return super().type_of(kind, is_key=is_key)

    def select(self, column: str, kind: str) -> str:
        """Booleans are numbers there, and times have no zone."""
        if family(kind) == "boolean":
            return f'cast("{column}" as integer)'
        if family(kind) == "timestamptz":
            return f"\"{column}\" at time zone 'UTC'"
        return super().select(column, kind)

    def columns(self, table: str) -> list[str]:
        """Ask the catalogue of the database named, or of the one connected to."""
        schema, _, name = table.rpartition(".")
        self.cursor.execute(
            "select column_name from information_schema.columns "
            "where table_schema = coalesce(%s, database()) and table_name = %s "
            "order by ordinal_position",
            (schema or None, name),
        )
        return [str(row[0]) for row in self.cursor.fetchall()]

    def load(self, outbox: Outbox, span: Span, types: Types) -> None:
        """Hand over a file that the warehouse wrote; by inserts where the server takes no files."""
        self.cursor.execute("select @@local_infile")
        selected = [self.select(column, kind) for column, kind in types.items()]
        if not self.cursor.fetchone()[0]:
            places = ", ".join("%s" for _ in selected)
            for rows in outbox.rows(selected, span):
                self.cursor.executemany(f"insert into {STAGING} values ({places})", rows)
            return
        with TemporaryDirectory() as folder:
            path = Path(folder) / "rows.csv"
            export(outbox.connection, outbox.query(selected, span), path, "NULL")
            self._load_file(path)

    def _load_file(self, path: Path) -> None:
        """LOAD DATA LOCAL mends what it cannot take and warns: take no warning for granted."""
        self.run(
            f"load data local infile '{path}' into table {STAGING} character set utf8mb4 "
            "fields terminated by ',' optionally enclosed by '\"' escaped by '' "
            "lines terminated by '\\n'"
        )
        self.cursor.execute("show warnings")
        if warnings := self.cursor.fetchall():
            raise _driver().err.DataError(*warnings[0][1:3])

    def upsert(self, table: str, key: Sequence[str], columns: Sequence[str]) -> list[str]:
        """Not `on duplicate key`: that would write into the row of any other unique key, too.

        The update needs no comparison: InnoDB leaves a row alone whose values stay.
        """
        same = " and ".join(self.pairs(key, "far", "new"))
        first = self.name(key[0])
        staged = ", ".join(f"new.{self.name(column)}" for column in columns)
        rest = [column for column in columns if column not in key]
        insert = (
            f"insert into {self.name(table)} ({self.names(columns)}) select {staged} "
            f"from {STAGING} as new left join {self.name(table)} as far on {same} "
            f"where far.{first} is null"
        )
        sets = ", ".join(self.pairs(rest, "far", "new"))
        update = f"update {STAGING} as new join {self.name(table)} as far on {same} set {sets}"
        return [update, insert] if rest else [insert]

    def delete(self, table: str, key: Sequence[str]) -> str:
        """Join the staged keys."""
        same = " and ".join(self.pairs(key, "far", "new"))
        return f"delete far from {STAGING} as new join {self.name(table)} as far on {same}"

    def is_transient(self, error: Exception) -> bool:
        """Deadlocks, lock waits, lost connections."""
        return bool(error.args) and error.args[0] in {0, *_TRANSIENT}

    def is_about_rows(self, error: Exception) -> bool:
        """All else that the server finds wrong, as PyMySQL's classes do not tell them apart."""
        raised = _driver().err
        code = error.args[0] if error.args else 0
        is_told = isinstance(error, raised.DatabaseError) and code not in _TRANSIENT
        return is_told and code not in _OURS and not isinstance(error, raised.ProgrammingError)


def _driver() -> Any:
    """Return PyMySQL, which only those need who deliver to MySQL."""
    from importlib import import_module

    try:
        return import_module("pymysql")
    except ImportError:
        raise LoaderError(
            "Cannot deliver to MySQL: the package pymysql is not installed. Install it: "
            "pip install pymysql."
        ) from None
