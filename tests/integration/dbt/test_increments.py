"""What arrives late, moves, goes or comes back is followed by every fact; nothing else changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.integration.dbt import raw_tables

if TYPE_CHECKING:
    from decimal import Decimal

    from tests.integration.dbt.warehouses import Warehouse

RUN: Final = ("build", "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
NOON: Final = "2026-01-01 12:00:00+00"


def load(warehouse: Warehouse, number: int, *, status: int = 0, **rows: Any) -> None:
    """Load rows given by the name of their table without its schema."""
    full = {name.partition(".")[2]: name for name in raw_tables.TABLES}
    files = rows.pop("files", ())
    tables = {full[name]: found for name, found in rows.items()}
    if files:
        tables.setdefault("raw_event_files.events", [])
    raw_tables.load(warehouse, number, tables, files=files, status=status)


def user(key: int, **more: Any) -> dict[str, Any]:
    told = {"id": key, "email": f"u{key}@shop.example", "is_marketing_opt_in": True}
    return {**told, "created_at": NOON, "updated_at": NOON, **more}


def order(key: int, **more: Any) -> dict[str, Any]:
    told = {"id": key, "user_id": 1, "status": "paid", "currency": "EUR", "ordered_at": NOON}
    return {**told, "updated_at": NOON, **more}


def item(key: int, order_id: int | None, **more: Any) -> dict[str, Any]:
    told = {"id": key, "order_id": order_id, "product_id": 1, "quantity": 1, "unit_price": "1.00"}
    return {**told, "updated_at": NOON, **more}


def event(key: str | None, file: str, line: int, **more: Any) -> dict[str, Any]:
    told = {"event_id": key, "user_id": 1, "event_type": "page_view", "occurred_at": NOON}
    return {**told, "_file": file, "_line": line, **more}


def amounts(warehouse: Warehouse) -> dict[int, Decimal]:
    return dict(warehouse.execute("select order_id, amount from marts.fct_orders"))


def days(warehouse: Warehouse) -> dict[str, Decimal]:
    sql = "select cast(ordered_on as text) || ' ' || currency, revenue from marts.agg_daily_sales"
    return dict(warehouse.execute(sql))


def test_an_item_that_moves_leaves_its_old_order(warehouse: Warehouse) -> None:
    load(warehouse, 1, orders=[order(1), order(2)], order_items=[item(1, 1), item(2, 1)])
    warehouse.dbt(*RUN)
    load(warehouse, 2, order_items=[item(1, 2)])
    warehouse.dbt(*RUN)
    assert amounts(warehouse) == {1: 1, 2: 1}
    load(warehouse, 3, order_items=[item(1, None)])
    warehouse.dbt(*RUN)
    assert amounts(warehouse) == {1: 1, 2: 0}


def test_a_day_loses_what_moves_is_deleted_or_refused(warehouse: Warehouse) -> None:
    load(warehouse, 1, orders=[order(key) for key in (1, 2, 3, 4)])
    load(warehouse, 1, order_items=[item(key, key) for key in (1, 2, 3, 4)])
    warehouse.dbt(*RUN)
    assert days(warehouse) == {"2026-01-01 EUR": 4}
    moved = order(1, ordered_at="2026-01-05 00:00:00+00")
    load(warehouse, 2, orders=[moved, order(2, deleted_at=NOON), order(3, ordered_at=None)])
    warehouse.dbt(*RUN)
    assert days(warehouse) == {"2026-01-01 EUR": 1, "2026-01-05 EUR": 1}
    load(warehouse, 3, orders=[order(4, currency="USD"), order(2)])
    warehouse.dbt(*RUN)
    assert days(warehouse) == {"2026-01-01 EUR": 1, "2026-01-01 USD": 1, "2026-01-05 EUR": 1}


def test_a_table_first_built_empty_grows(warehouse: Warehouse) -> None:
    warehouse.dbt(*RUN)
    assert amounts(warehouse) == {}
    load(warehouse, 1, orders=[order(1)])
    warehouse.dbt(*RUN)
    load(warehouse, 2, order_items=[item(1, 1)])
    warehouse.dbt(*RUN)
    assert amounts(warehouse) == {1: 1}


def test_a_load_counts_when_it_is_committed(warehouse: Warehouse) -> None:
    load(warehouse, 1, orders=[order(1)], order_items=[item(1, 1)])
    warehouse.dbt(*RUN)
    load(warehouse, 2, status=1, orders=[order(2)], order_items=[item(2, 2)])
    warehouse.dbt(*RUN)
    assert amounts(warehouse) == {1: 1}
    warehouse.execute("update raw_shop_db._dlt_loads set status = 0")
    warehouse.dbt(*RUN)
    assert amounts(warehouse) == {1: 1, 2: 1}


def test_a_rewritten_file_takes_its_events_along(warehouse: Warehouse) -> None:
    first = [event("a", "f1", 2), event("b", "f1", 3), event(None, "f1", 4)]
    load(warehouse, 1, events=[*first, event("a", "f2", 2, page_url="/f2")])
    warehouse.dbt(*RUN)
    load(warehouse, 2, files=["f2"])  # of which nothing is left: the other file's line counts again
    warehouse.dbt(*RUN)
    told = "select event_id, page_url from marts.fct_events order by 1"
    assert warehouse.execute(told) == [("a", None), ("b", None)]
    load(warehouse, 3, events=[event("b", "f1", 2, occurred_at="2026-01-01 13:00:00+00")])
    warehouse.dbt(*RUN)
    assert warehouse.execute(told) == [("b", None)]
    assert warehouse.rows("quarantine.stg_event_files__events") == []
    sessions = "select session_id, count_events from marts.fct_sessions"
    assert warehouse.execute(sessions) == [("b", 1)]


def test_sessions_join_and_part_with_late_events(warehouse: Warehouse) -> None:
    ends = [("a", "12:00"), ("c", "12:50")]
    load(warehouse, 1, events=[event(key, key, 2, occurred_at=at(time)) for key, time in ends])
    warehouse.dbt(*RUN)
    count = "select session_id, count_events from marts.fct_sessions order by 1"
    assert warehouse.execute(count) == [("a", 1), ("c", 1)]
    load(warehouse, 2, events=[event("b", "b", 2, occurred_at=at("12:25"))])
    warehouse.dbt(*RUN)
    assert warehouse.execute(count) == [("a", 3)]
    load(warehouse, 3, files=["b"])
    warehouse.dbt(*RUN)
    assert warehouse.execute(count) == [("a", 1), ("c", 1)]
    load(warehouse, 4, events=[event("z", "z", 2, occurred_at=at("11:45"))])
    warehouse.dbt(*RUN)
    assert warehouse.execute(count) == [("c", 1), ("z", 2)]


def at(time: str) -> str:
    return f"2026-01-01 {time}:00+00"


def test_an_order_keeps_what_its_customer_was(warehouse: Warehouse) -> None:
    load(warehouse, 1, users=[user(1, country_code="de")], orders=[order(1), order(2)])
    warehouse.dbt(*RUN)
    moved = user(1, country_code="fr", updated_at="2026-02-01 00:00:00+00")
    late = order(3, ordered_at="2026-02-01 00:00:00+00")
    load(warehouse, 2, users=[moved], orders=[late])
    warehouse.dbt(*RUN)
    found = "select order_id, customer_country_code from marts.fct_orders order by 1"
    assert warehouse.execute(found) == [(1, "DE"), (2, "DE"), (3, "FR")]
    periods = "select country_code, is_current from marts.dim_users_history order by valid_from"
    assert warehouse.execute(periods) == [("DE", False), ("FR", True)]


def test_a_user_who_is_gone_from_raw_is_gone(warehouse: Warehouse) -> None:
    load(warehouse, 1, users=[user(1), user(2)])
    warehouse.dbt(*RUN)
    warehouse.execute("delete from raw_shop_api.users where id = 1")
    warehouse.dbt(*RUN)
    assert warehouse.execute("select user_id from marts.dim_users") == [(2,)]
    assert warehouse.execute("select user_id from outputs.out_crm__users") == [(2,)]
    history = "select user_id, is_current, is_deleted from marts.dim_users_history"
    assert sorted(warehouse.execute(history)) == [
        (1, False, False),
        (1, False, True),
        (2, True, False),
    ]


def test_nothing_new_changes_no_row(warehouse: Warehouse) -> None:
    load(warehouse, 1, users=[user(1), user(2, email=" ")], orders=[order(1), order(2, status="?")])
    load(warehouse, 2, order_items=[item(1, 1), item(2, 9)], events=[event("a", "f", 2)])
    warehouse.dbt(*RUN)
    everything = "select * from marts.fct_orders", "select * from intermediate.base_shop_db__orders"
    before = [warehouse.execute(sql) for sql in everything]
    warehouse.dbt(*RUN)
    assert [warehouse.execute(sql) for sql in everything] == before


def test_columns_that_appear_later_break_nothing(warehouse: Warehouse) -> None:
    load(warehouse, 1, users=[user(1)], events=[event("a", "f", 2)])
    warehouse.dbt(*RUN)
    warehouse.execute("alter table raw_shop_api.users add column loyalty_tier text")
    warehouse.execute("alter table raw_event_files.events add column device text")
    load(warehouse, 2, users=[user(2)], events=[event("b", "g", 2)])
    warehouse.dbt(*RUN)
    assert warehouse.execute("select count(*) from marts.dim_users") == [(2,)]
    assert warehouse.execute("select count(*) from marts.fct_events") == [(2,)]
