"""An empty warehouse of either kind, and dbt run on it in this process."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg2

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROJECT = Path(__file__).resolve().parents[3] / "dbt_project"
SCHEMAS = (
    "raw_shop_api",
    "raw_shop_db",
    "raw_event_files",
    "raw_payment_queue",
    "staging",
    "intermediate",
    "marts",
    "outputs",
    "quarantine",
    "snapshots",
)


@dataclass(kw_only=True)
class Warehouse:
    """One warehouse, the environment that leads dbt to it, and where dbt may write."""

    kind: str
    environment: Mapping[str, str]
    directory: Path
    manifest: list[Any] = field(default_factory=list)

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one statement, commit, and return its rows (none for what gives none)."""
        with contextlib.closing(self._connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            rows = cursor.fetchall() if cursor.description else []
            connection.commit()
        return list(rows)

    def clear(self) -> None:
        """Drop every schema of the project."""
        for schema in SCHEMAS:
            self.execute(f"drop schema if exists {schema} cascade")

    def dbt(self, *arguments: str) -> dict[str, str]:
        """Run dbt; return the status of every node by its name.

        Raises:
            AssertionError: a node failed, or dbt itself did.
        """
        result = self.try_dbt(*arguments)
        failed = {name: status for name, status in result.items() if status in ("error", "fail")}
        assert not failed, failed
        return result

    def try_dbt(self, *arguments: str) -> dict[str, str]:
        """As `dbt`, but what failed is returned like the rest."""
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.cli.main import dbtRunner

        words = [*arguments, "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
        words += ["--target", self.kind, "--target-path", str(self.directory / "target")]
        words += ["--log-path", str(self.directory), "--log-level", "none"]
        words += ["--log-level-file", "none", "--no-use-colors"]
        with _environment(self.environment):
            try:
                outcome = dbtRunner().invoke(words)
            finally:
                DuckDBConnectionManager.close_all_connections()
        if outcome.exception:
            raise AssertionError(str(outcome.exception)) from outcome.exception
        results = getattr(outcome.result, "results", None) or []
        for result in results:
            if result.status in ("error", "fail", "runtime error"):
                print(result.node.name, result.message)
        return {result.node.name: str(result.status) for result in results}

    def _connect(self) -> Any:
        if self.kind == "duckdb":
            return duckdb.connect(self.environment["TIDEMILL_DUCKDB_PATH"])
        return psycopg2.connect("")


def in_duckdb(directory: Path) -> Warehouse:
    """A DuckDB file in this directory."""
    path = str(directory / "warehouse.duckdb")
    return Warehouse(
        kind="duckdb", environment={"TIDEMILL_DUCKDB_PATH": path}, directory=directory
    )


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
