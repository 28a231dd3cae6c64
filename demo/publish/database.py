"""Products, orders and order items of a day into the shop's database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo.publish.connections import Database, connect

if TYPE_CHECKING:
    import duckdb

TABLES = {
    "products": "id {key}, sku {text}, name {text}, category {text}, price {money}, "
    "currency {text}, is_active {boolean}, created_at {moment}, updated_at {moment}, "
    "deleted_at {moment}",
    "orders": "id {key}, user_id {number}, status {text}, currency {text}, ordered_at {moment}, "
    "shipped_at {moment}, updated_at {moment}, deleted_at {moment}",
    "order_items": "id {key}, order_id {number}, product_id {number}, quantity {number}, "
    "unit_price {money}, updated_at {moment}, deleted_at {moment}",
}

ROWS = {
    "products": """
        select
            id as clean_id, id, if(dirt = 'sku_missing', null, sku) as sku, name, category,
            case when dirt = 'price_text' then 'twelve'
                when dirt = 'price_negative' then concat('-', money(price_cents))
                else cast(money(price_cents) as text) end as price,
            currency, cast(is_active as integer) as is_active, written(created_at) as created_at,
            written(updated_at) as updated_at, written(deleted_at) as deleted_at,
        from products where day = $day order by clean_id
    """,
    "orders": """
        select
            id as clean_id,
            if(dirt = 'id_missing', null, id) as id,
            case when dirt = 'user_missing' then null when dirt = 'user_text' then 'n/a'
                else cast(user_id as text) end as user_id,
            if(dirt in ('status_unknown', 'two_faults'), 'lost', status) as status,
            if(dirt in ('currency_unknown', 'two_faults'), 'XXX', currency) as currency,
            case when dirt = 'ordered_missing' then null when dirt = 'ordered_text' then 'yesterday'
                when dirt = 'ordered_ancient' then '1970-01-01 00:00:00'
                else written(ordered_at) end as ordered_at,
            written(shipped_at) as shipped_at, written(updated_at) as updated_at,
            written(deleted_at) as deleted_at,
        from orders where day = $day order by clean_id
    """,
    "order_items": """
        select
            id as clean_id, id, if(dirt = 'order_missing', null, order_id) as order_id, product_id,
            case when dirt = 'quantity_text' then 'two' when dirt = 'quantity_zero' then '0'
                when dirt = 'quantity_negative' then concat('-', quantity)
                else cast(quantity as text) end as quantity,
            case when dirt = 'price_text' then 'free'
                when dirt = 'price_negative' then concat('-', money(price_cents))
                else cast(money(price_cents) as text) end as unit_price,
            written(updated_at) as updated_at, written(deleted_at) as deleted_at,
        from order_items where day = $day order by clean_id
    """,
}
"""What the database says of a day's rows, all as text: a loose column keeps what fits no type."""

WRITTEN = "create or replace macro written(moment) as strftime(moment, '%Y-%m-%d %H:%M:%S')"


def publish_database(connection: duckdb.DuckDBPyConnection, url: str, day: int) -> None:
    """Write a day's rows in one transaction; day 1 begins with empty tables.

    Raises:
        ShopError: The database cannot be reached.
    """
    connection.execute(WRITTEN)
    with connect(url) as database:
        if day == 1:
            _create(database)
        if not database.fetch(f"select 1 from shop_days where day = {day}"):
            for table, query in ROWS.items():
                _replace(database, table, connection.execute(query, {"day": day}).fetchall())
            database.run(f"insert into shop_days values ({day})")


def _create(database: Database) -> None:
    for table, columns in TABLES.items():
        database.run(f"drop table if exists {table}")
        database.run(f"create table {table} ({columns.format(**database.types)})")
        database.run(f"create index {table}_updated_at on {table} (updated_at)")
    database.run("drop table if exists shop_days")
    database.run("create table shop_days (day integer primary key)")


def _replace(database: Database, table: str, rows: list[tuple[object, ...]]) -> None:
    database.delete(table, [row[0] for row in rows])
    database.insert(table, [row[1:] for row in rows])
