"""The demo shop gives each warehouse all that it has, and says which settings it makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loaders.load import load
from loaders.warehouse import Target
from orchestration import sandbox

if TYPE_CHECKING:
    from pathlib import Path


def payments_into(name: str, var: Path) -> int:
    """Load the queue into a warehouse of its own; return the rows read."""
    target = Target(name=name, kind="duckdb", path=var / f"{name}.duckdb")
    with sandbox.shop(var, scale=0.05, target=name) as shop:
        if shop.day == 0:
            shop.advance()
        return sum(count.read for count in load("payment_queue", target=target).tables)


def test_each_warehouse_gets_every_message(tmp_path: Path) -> None:
    assert sandbox.closed(tmp_path) == set()
    first = payments_into("duckdb", tmp_path)
    assert first > 0
    assert payments_into("other", tmp_path) == first
    assert payments_into("duckdb", tmp_path) == 0
    demo = {"shop_api", "shop_db", "event_files", "payment_queue", "crm_users"}
    assert sandbox.closed(tmp_path) == demo
