"""An incremental history gives the tables of one full build, cell by cell, on both warehouses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.integration.dbt import raw_tables
from tests.integration.dbt.shop_days import days
from tests.integration.dbt.warehouses import BUILT

if TYPE_CHECKING:
    from tests.integration.dbt.warehouses import Warehouse

MODELS: Final = (
    "staging.stg_shop_api__users",
    "staging.stg_shop_db__products",
    "staging.stg_shop_db__orders",
    "staging.stg_shop_db__order_items",
    "staging.stg_event_files__events",
    "staging.stg_payment_queue__payments",
    "quarantine.stg_shop_api__users",
    "quarantine.stg_shop_db__products",
    "quarantine.stg_shop_db__orders",
    "quarantine.stg_shop_db__order_items",
    "quarantine.stg_event_files__events",
    "quarantine.stg_payment_queue__payments",
    "marts.dim_users",
    "marts.users_processed",
    "marts.dim_products",
    "marts.fct_events",
    "marts.fct_orders",
    "marts.fct_order_items",
    "marts.fct_sessions",
    "marts.agg_daily_sales",
    "marts.pending_orders",
    "marts.rpt_monthly_sales",
    "marts.rpt_monthly_retention",
    "marts.rpt_monthly_products",
    "outputs.out_crm__users",
)
MODELS_ONLY: Final = (
    "build",
    "--exclude-resource-type",
    "test",
    "--exclude-resource-type",
    "unit_test",
)
SEEN: Final = ("customer_country_code", "is_customer_opted_in", "processed_at")
"""What depends on the days on which something was seen; one late build sees only the last."""


def built(warehouse: Warehouse, without: tuple[str, ...] = ()) -> dict[str, list[Any]]:
    return {model: warehouse.rows(model, without=without) for model in MODELS}


@pytest.mark.parametrize(
    "count", [8, pytest.param(30, marks=pytest.mark.endurance)], ids=["8 days", "30 days"]
)
def test_days_build_up_to_the_tables_of_one_build(warehouse: Warehouse, count: int) -> None:
    for number, day in enumerate(days(count, seed=count), start=1):
        raw_tables.load(warehouse, number, day.tables, files=day.files)
        warehouse.dbt(*MODELS_ONLY)
    history = built(warehouse)
    assert all(history.values()), "a model stayed empty: it proves nothing"

    warehouse.dbt("test")

    warehouse.dbt(*MODELS_ONLY)
    assert built(warehouse) == history, "a run with nothing new changed something"

    warehouse.dbt(*MODELS_ONLY, "--full-refresh")
    assert_same(built(warehouse), history)

    seen = built(warehouse, SEEN)
    warehouse.clear(*BUILT)
    warehouse.dbt(*MODELS_ONLY)
    assert_same(built(warehouse, SEEN), seen)


def assert_same(found: dict[str, list[Any]], wanted: dict[str, list[Any]]) -> None:
    for model, rows in wanted.items():
        missing = [row for row in rows if row not in found[model]]
        extra = [row for row in found[model] if row not in rows]
        assert (missing, extra) == ([], []), model
