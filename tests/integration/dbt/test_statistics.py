"""Builds on PostgreSQL take no more than a reading, though nobody ever analysed the raw tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.integration.dbt import raw_tables
from tests.integration.dbt.test_increments import RUN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.dbt.warehouses import Warehouse

COUNT: Final = 20_000
ROWS: Final = {
    "raw_event_files.events": (
        "'e' || i, i % 500, 'page_view', '/', i % 9, now() + i * interval '1 s', 'f', i"
    ),
    "raw_shop_db.orders": "i, i % 500, 'paid', 'EUR', now(), null, now(), null",
    "raw_shop_db.order_items": "i, i / 2, i % 9, 1, 1.00, now(), null",
    "raw_payment_queue.payments": "i || '-0', i, i / 2, 1.00, 'EUR', 'card', 'succeeded', now()",
}


@pytest.fixture
def unanalysed(postgres_warehouse: Warehouse) -> Iterator[Warehouse]:
    """A PostgreSQL that knows nothing of its raw tables and ends any statement after half a minute.

    A join that compares every new row with every other takes longer than that; one that looks each
    up, or hashes them, takes less than a second.
    """
    postgres_warehouse.clear()
    raw_tables.create(postgres_warehouse)
    for table in ROWS:
        postgres_warehouse.execute(f"alter table {table} set (autovacuum_enabled = false)")
    postgres_warehouse.execute("alter database transforms set statement_timeout = '30s'")
    yield postgres_warehouse
    postgres_warehouse.execute("alter database transforms reset statement_timeout")
    postgres_warehouse.clear()


def load(warehouse: Warehouse, number: int) -> None:
    first = (number - 1) * COUNT
    for table, values in ROWS.items():
        warehouse.execute(
            f"insert into {table} select {values}, '{raw_tables.load_id(number)}' "
            f"from generate_series({first}, {first + COUNT - 1}) as numbers(i)"
        )
    for schema in {table.partition(".")[0] for table in ROWS}:
        raw_tables.record(warehouse, schema, number)


@pytest.mark.slow
def test_first_next_and_full_builds_are_no_products_of_rows(unanalysed: Warehouse) -> None:
    for number, options in ((1, ()), (2, ()), (3, ("--full-refresh",))):
        load(unanalysed, number)
        unanalysed.dbt(*RUN, *options)
        for table in ("fct_orders", "fct_events"):
            count = unanalysed.execute(f"select count(*) from marts.{table}")
            assert count == [(number * COUNT,)]
