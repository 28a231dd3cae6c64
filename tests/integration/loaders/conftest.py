"""A warehouse of each kind, and a database of each kind to read from."""

from __future__ import annotations

from shutil import which
from typing import TYPE_CHECKING

import pytest

from loaders.warehouse import Target
from tests.integration.loaders.drop_folder import DropFolder
from tests.integration.loaders.outputs.mariadb import fresh_database, mariadb
from tests.integration.loaders.shelf import Shelf, row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[str]:
    if not which("mariadbd"):
        pytest.skip("MariaDB is not installed: apt-get install mariadb-server")
    with mariadb() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database to read from."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'source.sqlite'}"
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres"))
    return fresh_database(request.getfixturevalue("mariadb_server"))


@pytest.fixture
def duckdb_target(tmp_path: Path) -> Target:
    return Target(name="duckdb", kind="duckdb", path=tmp_path / "warehouse.duckdb")


@pytest.fixture(params=["duckdb", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    """An empty warehouse of each kind."""
    if request.param == "duckdb":
        return Target(name="duckdb", kind="duckdb", path=tmp_path / "warehouse.duckdb")
    return Target(name="postgres", kind="postgres", dsn=request.getfixturevalue("postgres"))


@pytest.fixture
def drop(tmp_path: Path, target: Target) -> DropFolder:
    """An empty folder of files, to be loaded into a warehouse of each kind."""
    return DropFolder(tmp_path / "drop", target)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """A server of 95 rows."""
    with Shelf([row(number) for number in range(95)]) as opened:
        yield opened
