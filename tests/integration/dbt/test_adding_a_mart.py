"""The mart that docs/models.md adds is built, tested and shown by the commands that stand there."""

from __future__ import annotations

import shlex
from datetime import date
from shutil import copytree, ignore_patterns
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.pages import blocks, edit
from tests.integration.dbt.test_increments import RUN, load, order, user
from tests.integration.dbt.warehouses import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.dbt.warehouses import Warehouse

PAGE = PROJECT.parent / "docs" / "models.md"
SUNDAY, MONDAY = "2026-01-04 23:59:59+00", "2026-01-05 00:00:00+00"


@pytest.mark.slow
def test_the_page_adds_a_mart(warehouse: Warehouse, tmp_path: Path) -> None:
    section = tmp_path / "section.md"
    section.write_text(PAGE.read_text().partition("\n## Add a mart\n")[2].partition("\n## ")[0])
    steps = blocks(section)
    orders = [order(1, ordered_at=SUNDAY), order(2, ordered_at=MONDAY), order(3, ordered_at=MONDAY)]
    load(warehouse, 1, users=[user(1)], orders=orders)
    warehouse.dbt(*RUN)

    project = tmp_path / "dbt_project"
    copytree(PROJECT, project, ignore=ignore_patterns("target", "logs", "profiles.yml"))
    assert [edit(step, project) for step in steps] == [True, True, False]
    warehouse.project = project
    try:
        for line in steps[-1].text.splitlines():
            statuses = warehouse.dbt(*shlex.split(line)[1:])
            assert statuses.pop("rpt_weekly_orders") == "success"
            assert set(statuses.values()) <= {"success", "pass"}
    finally:
        warehouse.project = PROJECT
    found = sorted(warehouse.execute("select * from marts.rpt_weekly_orders"))
    assert found == [(date(2025, 12, 29), 1), (date(2026, 1, 5), 2)]


@pytest.mark.slow
def test_a_mart_that_names_no_key_is_built_anew_each_time(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    project = tmp_path / "dbt_project"
    copytree(PROJECT, project, ignore=ignore_patterns("target", "logs", "profiles.yml"))
    marts = project / "models" / "marts" / "sales"
    (marts / "counted.sql").write_text("select count(*) as orders from {{ ref('fct_orders') }}")
    columns = "columns: [{name: orders, data_type: bigint}]"
    (marts / "counted.yml").write_text(f"models:\n  - name: counted\n    {columns}\n")
    warehouse.project = project
    try:
        for count in (1, 2, 3):
            load(warehouse, count, users=[user(1)], orders=[order(count, ordered_at=MONDAY)])
            assert warehouse.dbt(*RUN)["counted"] == "success"
            assert warehouse.execute("select orders from marts.counted") == [(count,)]
    finally:
        warehouse.project = PROJECT
