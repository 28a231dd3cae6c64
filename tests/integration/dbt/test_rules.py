"""A rule is changed in one place: rows move between staging and quarantine, and facts follow."""

from __future__ import annotations

from datetime import date
from shutil import copytree, ignore_patterns
from typing import TYPE_CHECKING, Final

import pytest

from tests.integration.dbt import raw_tables
from tests.integration.dbt.test_increments import RUN, item, load, order, user
from tests.integration.dbt.warehouses import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.dbt.warehouses import Warehouse

MODEL: Final = "models/base/shop_db/base_shop_db__order_items.sql"
RULE: Final = "case when unit_price < 0 then 'unit_price is negative' end"
STRICTER: Final = "case when unit_price < 2 then 'unit_price is negative' end"
MACRO: Final = "macros/utc.sql"
ZONE: Final = "at time zone 'UTC'"
OTHER_ZONE: Final = "at time zone 'Asia/Tokyo'"


@pytest.fixture
def changed_project(tmp_path: Path) -> Path:
    """The project with another rule for prices."""
    return changed(tmp_path, MODEL, RULE, STRICTER)


def changed(tmp_path: Path, file: str, old: str, new: str) -> Path:
    """The project with other words in one of its files."""
    project = tmp_path / "dbt_project"
    copytree(PROJECT, project, ignore=ignore_patterns("target", "logs", "profiles.yml"))
    text = (project / file).read_text()
    assert text.count(old) == 1
    (project / file).write_text(text.replace(old, new))
    return project


def test_a_changed_rule_moves_rows_and_facts_follow(
    warehouse: Warehouse, changed_project: Path
) -> None:
    load(warehouse, 1, users=[user(1)], orders=[order(1)])
    load(warehouse, 1, order_items=[item(1, 1), item(2, 1, unit_price="2.00")])
    warehouse.dbt(*RUN)
    total = "select amount from marts.fct_orders"
    refused = "select id, reasons from quarantine.stg_shop_db__order_items"
    assert (warehouse.execute(total), warehouse.execute(refused)) == ([(3,)], [])

    warehouse.project = changed_project
    try:
        warehouse.dbt(*RUN)
    finally:
        warehouse.project = PROJECT
    found = warehouse.execute(total), warehouse.execute(refused)
    assert found == ([(2,)], [(1, "unit_price is negative")])
    assert warehouse.execute("select revenue from marts.agg_daily_sales") == [(2,)]

    warehouse.dbt(*RUN)
    assert (warehouse.execute(total), warehouse.execute(refused)) == ([(3,)], [])


def test_a_changed_macro_builds_anew_what_calls_it_and_what_stands_on_that(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    load(warehouse, 1, users=[user(1)], orders=[order(1, ordered_at="2026-01-04 23:00:00+00")])
    warehouse.dbt(*RUN)
    days = "select ordered_on from marts.agg_daily_sales"
    codes = "select distinct _code from marts.{}"
    before = [warehouse.execute(codes.format(mart)) for mart in ("fct_orders", "agg_daily_sales")]
    assert warehouse.execute(days) == [(date(2026, 1, 4),)]

    warehouse.project = changed(tmp_path, MACRO, ZONE, OTHER_ZONE)
    try:
        warehouse.dbt(*RUN)
        assert warehouse.execute(days) == [(date(2026, 1, 5),)]
        warehouse.dbt(*RUN)
    finally:
        warehouse.project = PROJECT
    assert warehouse.execute(days) == [(date(2026, 1, 5),)]
    after = [warehouse.execute(codes.format(mart)) for mart in ("fct_orders", "agg_daily_sales")]
    assert all(len(code) == 1 for code in after)
    assert all(old != new for old, new in zip(before, after, strict=True))


def test_a_row_that_gets_lost_is_noticed(warehouse: Warehouse) -> None:
    load(warehouse, 1, orders=[order(1), order(2, status="?")])
    warehouse.dbt(*RUN)
    warehouse.execute("delete from intermediate.base_shop_db__orders where id = 2")
    statuses = warehouse.try_dbt("test", "--select", "stg_shop_db__orders")
    lost = [name for name, status in statuses.items() if status == "fail"]
    assert lost == ["every_row_accounted_for_stg_shop_db__orders"]
    counts = "count_raw, count_staging, count_quarantine, count_collapsed"
    told = warehouse.execute(f"select {counts} from test_failures.{lost[0]}")
    assert told == [(2, 1, 0, 0)]
    kept = "select table_name from information_schema.tables where table_schema = 'test_failures'"
    assert warehouse.execute(kept) == [(lost[0],)]

    warehouse.execute("delete from raw_shop_db.orders where id = 2")
    warehouse.dbt("test", "--select", "stg_shop_db__orders")
    assert warehouse.execute(kept) == []


def test_raw_is_staging_and_quarantine_and_collapsed(warehouse: Warehouse) -> None:
    rows = [order(1), order(2, status="?"), order(3, ordered_at=None)]
    load(warehouse, 1, orders=rows)
    raw_tables.record(warehouse, "raw_shop_db", 2)
    copies = "insert into raw_shop_db.orders select * from raw_shop_db.orders where id < 3"
    warehouse.execute(copies)
    warehouse.dbt(*RUN)
    warehouse.dbt("test", "--select", "stg_shop_db__orders")
    assert warehouse.execute("select count(*) from staging.stg_shop_db__orders") == [(1,)]
    assert warehouse.execute("select count(*) from quarantine.stg_shop_db__orders") == [(2,)]
