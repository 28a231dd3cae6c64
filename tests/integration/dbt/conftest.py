"""An empty DuckDB and an empty PostgreSQL with raw tables, and dbt parsed once for each."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import psycopg2
import pytest

from tests.integration.dbt import raw_tables
from tests.integration.dbt.warehouses import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def duckdb_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A DuckDB file."""
    directory = tmp_path_factory.mktemp("transforms")
    environment = {"TIDEMILL_DUCKDB_PATH": str(directory / "warehouse.duckdb")}
    return Warehouse(kind="duckdb", environment=environment, directory=directory)


@pytest.fixture(scope="session")
def postgres_warehouse(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A database in the tests' PostgreSQL."""
    connection = psycopg2.connect(postgres_server)
    connection.autocommit = True
    connection.cursor().execute("create database transforms")
    connection.close()
    host = parse_qs(urlsplit(postgres_server).query)["host"][0]
    environment = {"PGHOST": host, "PGUSER": "postgres", "PGDATABASE": "transforms"}
    directory = tmp_path_factory.mktemp("transforms")
    return Warehouse(kind="postgres", environment=environment, directory=directory)


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    """Either one, with all raw tables, empty."""
    made: Warehouse = request.getfixturevalue(f"{request.param}_warehouse")
    made.clear()
    raw_tables.create(made)
    yield made
    made.clear()
