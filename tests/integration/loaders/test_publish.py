"""Readers get a whole file of tables, and the last good one when publishing fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from loaders.errors import WarehouseFailed
from loaders.publish import publish
from loaders.warehouse import Target

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def target(tmp_path: Path) -> Target:
    target = Target(name="duckdb", kind="duckdb", path=tmp_path / "warehouse.duckdb")
    with target.connect() as connection:
        for schema in ("marts", "quarantine", "staging"):
            connection.execute(f"create schema {schema}")
        connection.execute("create table marts.numbers as select 1 as number")
        connection.execute("create view marts.doubles as select number * 2 as n from marts.numbers")
        connection.execute("create table quarantine.stg_numbers (number bigint, reasons text)")
        connection.execute("create table staging.stg_numbers (number bigint)")
        for schema in ("raw_shop", "raw_shop_staging"):
            connection.execute(f"create schema {schema}")
            connection.execute(f"create table {schema}._rejects (reject_id text)")
            connection.execute(f"create table {schema}.numbers (number bigint)")
    return target


def published(path: Path) -> list[tuple[str, str, str]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(
            "select table_schema, table_name, table_type from information_schema.tables order by 1"
        ).fetchall()


def test_tables_and_views_are_published_as_tables(target: Target, tmp_path: Path) -> None:
    path = publish(target)
    assert path == tmp_path / "published.duckdb"
    assert sorted(published(path)) == [
        ("marts", "doubles", "BASE TABLE"),
        ("marts", "numbers", "BASE TABLE"),
        ("quarantine", "stg_numbers", "BASE TABLE"),
        ("raw_shop", "_rejects", "BASE TABLE"),
    ]
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {"warehouse.duckdb", "published.duckdb", "warehouse.duckdb.lock"}


def test_an_open_reader_keeps_its_state(target: Target) -> None:
    path = publish(target)
    with duckdb.connect(str(path), read_only=True) as reader:
        with target.connect() as connection:
            connection.execute("insert into marts.numbers values (2)")
        publish(target)
        assert reader.execute("select count(*) from marts.numbers").fetchall() == [(1,)]
    with duckdb.connect(str(path), read_only=True) as reader:
        assert reader.execute("select count(*) from marts.numbers").fetchall() == [(2,)]


def test_a_broken_model_leaves_the_file_before(target: Target) -> None:
    path = publish(target)
    with target.connect() as connection:
        connection.execute("alter table marts.numbers rename column number to renamed")
    with pytest.raises(WarehouseFailed, match="The file published before is still in its place"):
        publish(target)
    assert len(published(path)) == 4


def test_postgres_needs_no_published_copy() -> None:
    assert publish(Target(name="postgres", kind="postgres", dsn="postgresql://nowhere")) is None
