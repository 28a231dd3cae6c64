"""What is older than the age goes, in chunks and told; what was built from it stays."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from tests.integration.dbt import raw_tables
from tests.integration.dbt.test_increments import RUN, at, event, load

if TYPE_CHECKING:
    from tests.integration.dbt.warehouses import Warehouse

KEPT: Final = ("marts.fct_sessions", "marts.agg_daily_sales", "marts.rpt_monthly_sales")


def age(number: int) -> str:
    """A time 90 days after the load of this number, and a second."""
    began = float(raw_tables.load_id(number))
    return datetime.fromtimestamp(began + 90 * 86400 + 1, UTC).isoformat()


def retain(warehouse: Warehouse, number: int) -> None:
    told = f"{{as_of: '{age(number)}', days: 90, chunk_rows: 2}}"
    warehouse.dbt("run-operation", "retain", "--args", told)


def test_old_events_and_rejects_go_and_sessions_stay(warehouse: Warehouse) -> None:
    old = [event(f"a{line}", "f1", line) for line in range(2, 9)]
    load(warehouse, 1, events=[*old, event(None, "f1", 9)])
    load(warehouse, 2, events=[event("b", "f2", 2, user_id=2)])
    for number in (1, 2):
        warehouse.execute(
            "insert into raw_event_files._rejects (reject_id, _dlt_load_id) "
            f"values ('{number}', '{raw_tables.load_id(number)}')"
        )
    warehouse.dbt(*RUN)
    before = {table: warehouse.rows(table) for table in KEPT}

    retain(warehouse, 1)
    for step in (("test",), RUN, ("test",), (*RUN, "--full-refresh")):
        warehouse.dbt(*step)
        assert warehouse.execute("select event_id from marts.fct_events") == [("b",)]
        assert warehouse.execute("select event_id from raw_event_files.events") == [("b",)]
        assert warehouse.execute("select reject_id from raw_event_files._rejects") == [("2",)]
        assert {table: warehouse.rows(table) for table in KEPT} == before


def test_what_is_not_old_enough_stays(warehouse: Warehouse) -> None:
    load(warehouse, 2, events=[event("b", "f2", 2)])
    warehouse.dbt(*RUN)
    retain(warehouse, 1)
    assert warehouse.execute("select event_id from marts.fct_events") == [("b",)]


def test_a_session_is_left_whole_and_survives_what_comes_late(warehouse: Warehouse) -> None:
    events = {"a": ("12:00", "f1"), "b": ("12:10", "f1"), "c": ("18:00", "f1")}
    told = [
        event(key, file, n, occurred_at=at(t)) for n, (key, (t, file)) in enumerate(events.items())
    ]
    load(warehouse, 1, events=told)
    load(warehouse, 3, events=[event("d", "f3", 2, occurred_at=at("18:20"))])
    warehouse.dbt(*RUN)
    sessions = "select session_id, count_events from marts.fct_sessions order by 1"
    assert warehouse.execute(sessions) == [("a", 2), ("c", 2)]

    retain(warehouse, 2)  # c is as old as a, but its session is not
    kept = "select event_id from marts.fct_events order by 1"
    assert warehouse.execute(kept) == [("c",), ("d",)]
    warehouse.dbt("test")
    load(warehouse, 4, events=[event("e", "f4", 2, occurred_at=at("12:05"))])
    for step in (RUN, (*RUN, "--full-refresh")):
        warehouse.dbt(*step)
        assert warehouse.execute(sessions) == [("a", 2), ("c", 2), ("e", 1)]

    retain(warehouse, 3)
    warehouse.dbt(*RUN, "--full-refresh")
    assert warehouse.execute(sessions) == [("a", 2), ("c", 2), ("e", 1)]
    assert warehouse.execute(kept) == [("e",)]


def test_on_an_empty_warehouse_there_is_nothing_to_delete(warehouse: Warehouse) -> None:
    warehouse.clear()
    retain(warehouse, 1)
