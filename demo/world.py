"""The shop's world: clean entities by day, kept as Parquet, each with the dirt done to it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from demo import days
from demo.dirt import DIRT, plan
from demo.generate import events, order_items, orders, payments, products, users
from demo.generate.macros import MACROS
from demo.sizes import sizes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb

TABLES = {
    "users": users.COLUMNS,
    "products": products.COLUMNS,
    "orders": orders.COLUMNS,
    "order_items": order_items.COLUMNS,
    "payments": payments.COLUMNS,
    "events": events.COLUMNS,
}
NAMES = (users.NAMES, products.NAMES, events.NAMES)
STEPS = (
    *(users.NEW, users.CHANGED, users.ALL),
    *(products.NEW, products.CHANGED, products.ALL),
    *(orders.NEW, orders.CHANGED, orders.ALL),
    *(order_items.NEW, order_items.CHANGED, order_items.ALL),
    *(payments.PAYABLE, payments.NEW, payments.REFUNDS, payments.ALL),
    *(events.NEW, events.DIRTIED, events.COPIES, events.REWRITTEN, events.ALL),
)
KNOWN = """
set variable known_users = (select coalesce(max(id), 0) from users);
set variable known_products = (select coalesce(max(id), 0) from products);
set variable known_orders = (select coalesce(max(id), 0) from orders);
set variable known_items = (select coalesce(max(id), 0) from order_items);
set variable known_payments = (select coalesce(max(payment_id), 0) from payments);
"""
ORDER = {"payments": "day, number", "events": "file_on, hour, line"}


@dataclass(frozen=True, kw_only=True)
class World:
    """What the shop holds on every day, a pure function of these fields."""

    directory: Path
    """Where the days are kept."""
    seed: int
    scale: float
    is_strict: bool
    """Whether the shop's database keeps wrong types out."""

    def day_directory(self, day: int) -> Path:
        """The folder of one day's Parquet files."""
        return self.directory / f"day={day:05d}"

    def generate(self, day: int) -> None:
        """Make a day's entities from those of the days before; a day that exists is kept."""
        if self.day_directory(day).exists():
            return
        with self.connect(day - 1) as connection:
            self._set_day(connection, day)
            for step in STEPS:
                connection.execute(step)
            self._write(connection, day)

    def connect(self, day: int) -> duckdb.DuckDBPyConnection:
        """An in-memory DuckDB with all entity versions that have arrived by the end of a day.

        Items that arrive a day after their order are made with it, so the day's own filter
        (`day <= …`) is still needed where arrival matters.
        """
        import duckdb

        connection = duckdb.connect()
        connection.execute("set timezone = 'UTC'")
        connection.execute(MACROS)
        for table, columns in TABLES.items():
            connection.execute(f"create table template_{table} ({columns})")
            connection.execute(f"create view {table} as {self._source(table, day)}")
        fates = [(dirt.table, dirt.kind, dirt.outcome, dirt.reason) for dirt in DIRT]
        connection.execute(_table("fates", "table_name, kind, outcome, reason", fates))
        return connection

    def _source(self, table: str, day: int) -> str:
        if day < 1:
            return f"select * from template_{table}"
        files = [str(self.day_directory(past) / f"{table}.parquet") for past in range(1, day + 1)]
        return f"select * from read_parquet({files!r}, hive_partitioning = false)"

    def _set_day(self, connection: duckdb.DuckDBPyConnection, day: int) -> None:
        today = days.midnight_of(day)
        start = days.HISTORY_START if day == 1 else today
        connection.execute(f"""
            set variable seed = {self.seed};
            set variable day = {day};
            set variable new_columns_day = {days.NEW_COLUMNS_DAY};
            set variable today = timestamp '{today:%Y-%m-%d}';
            set variable window_start = timestamp '{start:%Y-%m-%d}';
            set variable window_end = timestamp '{today:%Y-%m-%d} 20:00:00';
        """)
        counts = sizes(day, self.scale).items()
        connection.execute(";".join(f"set variable {name} = {count}" for name, count in counts))
        for names in (*NAMES, KNOWN):
            connection.execute(names)
        places = plan(day, self.scale, is_strict=self.is_strict)
        connection.execute(_table("plan", "table_name, origin, format, kind, low, high", places))

    def _write(self, connection: duckdb.DuckDBPyConnection, day: int) -> None:
        target = self.day_directory(day)
        aside = self.directory / f".{target.name}"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        for table in TABLES:
            connection.execute(f"insert into template_{table} by name select * from new_{table}")
            connection.execute(
                f"copy (select * from template_{table} order by {ORDER.get(table, 'day, id')}) "
                f"to '{aside / table}.parquet' (format parquet)"
            )
        aside.rename(target)


def _table(name: str, columns: str, rows: Sequence[tuple[object, ...]]) -> str:
    """A table of our own constants; DuckDB binds parameters row by row, which takes longer."""
    return f"create table {name} as from (values {', '.join(map(repr, rows))}) as rows ({columns})"
