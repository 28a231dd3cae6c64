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
        connection.execute("create table marts.numbers (number bigint not null)")
        connection.execute("insert into marts.numbers values (1)")
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


def test_what_did_not_change_is_taken_over_and_what_did_is_not(target: Target) -> None:
    path = publish(target)
    with target.connect() as connection:
        connection.execute("create table marts.more (number bigint not null)")
        connection.execute("create table quarantine.gone as select 1 as number")
        connection.execute("insert into marts.numbers values (2)")
    publish(target)
    whole = "select list(number order by number) from marts.{}"
    with duckdb.connect(str(path), read_only=True) as reader:
        assert reader.execute(whole.format("numbers")).fetchone() == ([1, 2],)
        oid = "select table_oid from duckdb_tables() where table_name = 'more'"
        before = reader.execute(oid).fetchone()
    with target.connect() as connection:
        connection.execute("update marts.numbers set number = 3 where number = 2")
        connection.execute("drop table quarantine.gone")
        connection.execute("alter table quarantine.stg_numbers rename column number to id")
    publish(target)
    with duckdb.connect(str(path), read_only=True) as reader:
        assert reader.execute(whole.format("numbers")).fetchone() == ([1, 3],)
        assert reader.execute("select list(n) from marts.doubles").fetchone() == ([2, 6],)
        assert reader.execute("from quarantine.stg_numbers").description[0][0] == "id"
        assert reader.execute(oid).fetchone() == before
    assert len(published(path)) == 5


@pytest.mark.parametrize("damage", [b"", b"not a DuckDB file at all"])
def test_a_published_file_that_cannot_be_opened_is_written_anew(
    target: Target, damage: bytes
) -> None:
    path = publish(target)
    assert path
    path.write_bytes(damage)
    path.with_name("published.duckdb.tmp").write_bytes(b"of a publishing that was killed")
    path.with_name("published.duckdb.tmp.wal").write_bytes(b"and its log")
    publish(target)
    assert len(published(path)) == 4


def test_room_that_replaced_tables_left_is_given_back(target: Target) -> None:
    rows = "select hash(number + {}) as number from range(300000) as numbers (number)"
    with target.connect() as connection:
        connection.execute("create table marts.large as " + rows.format(0))
    path = publish(target)
    assert path
    size = path.stat().st_size
    for version in range(1, 6):
        with target.connect() as connection:
            connection.execute("create or replace table marts.large as " + rows.format(version))
        publish(target)
    assert path.stat().st_size < 3 * size


def test_postgres_needs_no_published_copy() -> None:
    assert publish(Target(name="postgres", kind="postgres", dsn="postgresql://nowhere")) is None
