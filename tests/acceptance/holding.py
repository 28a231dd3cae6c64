"""Assertions that a warehouse and the CRM hold what the shop's truth says, and nothing else."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.acceptance.days import ordered

if TYPE_CHECKING:
    from tests.acceptance.days import Rows, Snapshot

    Truth = dict[str, tuple[list[str], Rows]]

MARTS = ("dim_users", "dim_products", "fct_orders", "fct_events", "agg_daily_sales")
COLLAPSING = {"events", "payments"}
"""Raw tables in which one entity may stand several times."""


def assert_marts(snapshot: Snapshot, truth: Truth) -> None:
    """Every mart, row for row."""
    for mart in MARTS:
        columns, rows = truth[mart]
        assert snapshot.rows(f"marts.{mart}", columns) == rows, mart


def assert_counts(snapshot: Snapshot, truth: Truth) -> None:
    """Raw, staging, quarantine and rejects; raw = staging + quarantine + collapsed."""
    count = {name: len(rows) for name, (_, rows) in snapshot.tables.items()}
    staged, stopped = dict(truth["staging_counts"][1]), dict(truth["quarantine_counts"][1])
    assert {name: count[f"staging.{name}"] for name in staged} == staged
    assert {name: count[f"quarantine.{name}"] for name in stopped} == stopped
    for source, table, rows in truth["raw_counts"][1]:
        model = f"stg_{source}__{table}"
        collapsed = rows - staged[model] - stopped[model]
        assert count[f"raw_{source}.{table}"] == rows, model
        assert collapsed == 0 or (collapsed > 0 and table in COLLAPSING), model
    for source, table, rows in truth["rejects"][1]:
        found = snapshot.rows(f"raw_{source}._rejects", ["table_name"])
        assert found.count((table,)) == rows, f"{source}.{table}"


def assert_reasons(snapshot: Snapshot, truth: Truth) -> None:
    """Every quarantined row, with its reasons."""
    found = [
        (name.removeprefix("quarantine."), reasons)
        for name in snapshot.tables
        if name.startswith("quarantine.")
        for (reasons,) in snapshot.rows(name, ["reasons"])
    ]
    _, rows = truth["quarantined"]
    assert ordered(found) == ordered([(model, reasons) for model, _, reasons in rows])


def assert_crm(snapshot: Snapshot, truth: Truth) -> None:
    """Every contact, with what is said of it."""
    held = [(key, json.loads(data)) for key, data, *_ in snapshot.crm if data]
    columns, rows = truth["crm_contacts"]
    found = [(key, *[_plain(data[name]) for name in columns[1:]]) for key, data in held]
    assert ordered(found) == ordered([tuple(map(_plain, row)) for row in rows])


def _plain(value: Any) -> Any:
    return Decimal(str(value)).normalize() if isinstance(value, (int, float, Decimal)) else value
