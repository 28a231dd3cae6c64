"""The SQL is clean under sqlfluff, with dbt's own templater, in both dialects."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.dbt import raw_tables
from tests.integration.dbt.warehouses import opened

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["duckdb", "postgres"])
def test_sql_is_clean(dialect: str, tmp_path: Path) -> None:
    with opened("duckdb", tmp_path) as warehouse:
        raw_tables.create(warehouse)
        command = [sys.executable, "-m", "sqlfluff", "lint", "--dialect", dialect, "dbt_project"]
        environment = {**os.environ, **warehouse.environment}
        lint = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
    assert lint.returncode == 0, lint.stdout
