"""A warehouse of each kind, and a far side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loaders.warehouse import Target
from tests.integration.loaders.outputs.far_side import TOKEN, FarSide
from tests.integration.loaders.outputs.mariadb import fresh_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def far_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind, elsewhere."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'far.sqlite'}"
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres"))
    return fresh_database(request.getfixturevalue("mariadb_server"))
