"""What the marts claim of each other is tested in each build, and one query shows who breaks it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.integration.dbt import raw_tables
from tests.integration.dbt.test_increments import RUN, at, event, item, load, order, user
from tests.integration.dbt.warehouses import PROJECT

if TYPE_CHECKING:
    from tests.integration.dbt.warehouses import Warehouse

CLAIMS: Final = sorted(path.stem for path in PROJECT.glob("tests/*.sql"))
BROKEN: Final = {
    "daily_sales_add_up_to_their_orders": (
        "update marts.agg_daily_sales set revenue = revenue + 0.01",
        "select told_revenue - revenue from",
        [(0.01,)],
    ),
    "monthly_sales_add_up_to_their_days": (
        "delete from marts.rpt_monthly_sales",
        "select count_orders, told_count_orders from",
        [(1, None)],
    ),
    "an_order_costs_what_its_items_cost": (
        "delete from marts.fct_order_items where order_item_id = 2",
        "select order_id, count_items, count_items_of_items from",
        [(1, 2, 1)],
    ),
    "an_order_is_paid_by_its_payments": (
        "update marts.fct_orders set is_paid = false",
        "select order_id, paid_amount_of_payments from",
        [(1, 2)],
    ),
    "sessions_of_a_user_never_overlap": (
        "update marts.fct_sessions set ended_at = started_at + interval '1 hour'",
        "select user_id, session_id, next_session_id from",
        [(1, "a", "c")],
    ),
    "a_session_keeps_all_of_its_events_or_none": (
        "delete from marts.fct_events where event_id = 'b'",
        "select user_id, count_events, count_events_of_sessions from",
        [(1, 2, 3)],
    ),
    "versions_of_a_user_follow_each_other": (
        "update marts.dim_users_history set _applies_until = timestamp '2026-01-02 00:00:00'",
        "select user_id, next_from from",
        [(1, None)],
    ),
}


def payment(key: int, amount: str, **more: Any) -> dict[str, Any]:
    told = {"message_id": f"{key}-0", "payment_id": key, "order_id": 1, "amount": amount}
    return {**told, "currency": "EUR", "status": "succeeded", "paid_at": at("13:00"), **more}


def test_every_claim_is_broken_here_once() -> None:
    assert sorted(BROKEN) == CLAIMS


@pytest.mark.slow
def test_a_broken_claim_is_told_with_its_rows(warehouse: Warehouse) -> None:
    load(warehouse, 1, users=[user(1)], orders=[order(1)], order_items=[item(1, 1), item(2, 1)])
    load(warehouse, 1, payments=[payment(1, "3.00"), payment(2, "1.00", status="refunded")])
    times = {"a": "12:00", "b": "12:10", "c": "12:50"}
    told = [event(key, "f", n, occurred_at=at(time)) for n, (key, time) in enumerate(times.items())]
    load(warehouse, 1, events=told)
    warehouse.dbt(*RUN)
    assert set(warehouse.dbt("test", "--select", "test_type:singular").values()) == {"pass"}

    for sql, _, _ in BROKEN.values():
        warehouse.execute(sql)
    statuses = warehouse.try_dbt("test", "--select", "test_type:singular")
    assert statuses == dict.fromkeys(CLAIMS, "fail")
    for claim, (_, query, rows) in BROKEN.items():
        found = warehouse.execute(f"{query} test_failures.{claim}")
        assert [tuple(map(float_of, row)) for row in found] == rows, claim


def float_of(value: object) -> object:
    """A decimal as a float; anything else as it is."""
    return value if isinstance(value, str | None) else float(value)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_selection_builds_where_nothing_was_built(warehouse: Warehouse) -> None:
    load(warehouse, 1, users=[user(1)], orders=[order(1)], order_items=[item(1, 1)])
    statuses = warehouse.dbt(
        "build", "--select", "+fct_orders", "--indirect-selection", "buildable"
    )
    assert statuses["fct_orders"] == "success"
    assert statuses["unique_fct_orders_order_id"] == "pass"
    assert "dim_products" not in statuses


@pytest.mark.parametrize(
    ("until", "doubled", "status"),
    [("", 1, "fail"), (1, 2, "fail"), (2, 2, "pass"), (2, 1, "pass"), (1, None, "pass")],
)
def test_rows_that_were_tested_are_only_what_new_ones_are_held_against(
    warehouse: Warehouse, until: int | str, doubled: int | None, status: str
) -> None:
    load(warehouse, 1, events=[event("a", "f1", 2)])
    warehouse.dbt(*RUN)
    load(warehouse, 2, events=[event("b", "f2", 2)])
    warehouse.dbt(*RUN)
    if doubled:  # beside the row that was tested, one that came with this load
        warehouse.execute(
            "insert into intermediate.base_event_files__events (event_id, _key, _is_current, "
            f"_load_id) values ('a', 'a', true, '{raw_tables.load_id(doubled)}')"
        )
    tested = raw_tables.load_id(until) if isinstance(until, int) else ""
    environment = {**warehouse.environment, "TIDEMILL_TESTED_UNTIL": tested}
    asked = replace(warehouse, environment=environment)
    found = asked.try_dbt("test", "--select", "stg_event_files__events,test_name:unique")
    assert found == {"unique_stg_event_files__events_event_id": status}
