"""Personal data are masked in a developer's build, wherever a column is tagged `pii`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.integration.dbt.test_increments import load, user
from tests.integration.dbt.warehouses import BUILT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.dbt.warehouses import Warehouse

PROFILE = """
tidemill:
  target: dev
  outputs:
    dev:
      type: duckdb
      path: "{{ env_var('TIDEMILL_DUCKDB_PATH') }}"
      schema: dev
      threads: 2
"""
NAME = "Ada Lovelace-Byron"


def test_tagged_columns_are_masked_in_a_dev_build(
    duckdb_warehouse: Warehouse, tmp_path: Path
) -> None:
    from dataclasses import replace

    from tests.integration.dbt import raw_tables

    (tmp_path / "profiles.yml").write_text(PROFILE)
    dev = replace(duckdb_warehouse, kind="dev", profiles=tmp_path, directory=tmp_path, manifests={})
    duckdb_warehouse.clear()
    raw_tables.create(duckdb_warehouse)
    people = [user(1, first_name=NAME, last_name=NAME, phone="0700"), user(2, email="broken")]
    load(duckdb_warehouse, 1, users=people)
    dev.dbt("build", "--exclude-resource-type", "unit_test")

    tagged = list(pii_columns(dev.manifest()))
    assert ("dev_marts", "dim_users", "email") in tagged
    for schema, table, column in tagged:
        found = {str(value) for (value,) in dev.execute(f"select {column} from {schema}.{table}")}
        shown = found & {NAME, f"{NAME} {NAME}", "0700", "u1@shop.example", "broken"}
        assert not shown, (schema, table, column)
    assert dev.execute("select count(*) from dev_quarantine.stg_shop_api__users") == [(1,)]
    for schema in BUILT:
        duckdb_warehouse.execute(f"drop schema if exists dev_{schema} cascade")


def pii_columns(manifest: Any) -> Any:
    for node in manifest.nodes.values():
        for column in getattr(node, "columns", {}).values():
            if "pii" in column.tags and node.resource_type == "model":
                yield node.schema, node.alias, column.name
