"""What cannot be read from a database is refused with what was found and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from loaders.columns import columns
from loaders.cursor import cursor
from loaders.errors import SettingMissing, SourceRefused, TableRefused
from loaders.readers.database import table
from loaders.readers.database_types import reflected
from tests.integration.loaders.databases import counts, load_table, load_tables, rows, run

if TYPE_CHECKING:
    from pathlib import Path

    from loaders.warehouse import Target

pytestmark = pytest.mark.slow

SHAPE = columns(id="bigint", name="text", at="timestamp")


@pytest.fixture
def things(database: str) -> str:
    """A table of one row."""
    run(database, "create table things (id integer primary key, name varchar(9))")
    run(database, "insert into things values (1, 'one')")
    return database


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"key": "nr"}, r"columns of the table 'things' do not say what nr is"),
        ({"cursor": cursor("seen")}, r"do not say what seen is"),
        ({"cursor": cursor("name", lag=1)}, r"'name' .* has a lag and is declared as text"),
    ],
)
def test_a_key_and_a_cursor_are_to_be_declared(options: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingMissing, match=told):
        load_table(None, "sqlite://", **{"columns": SHAPE, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"cursor": cursor("at")}, r"'things' has no column at, by which .* It has id, name\."),
        ({"taken_at": "taken"}, r"'things' has no column taken"),
        ({"query": "selec id from things"}, r"Cannot read the query 'selec id from things'"),
    ],
)
def test_what_the_source_lacks_is_told(
    things: str, duckdb_target: Target, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(SourceRefused, match=told):
        load_table(duckdb_target, things, **{"columns": SHAPE, **options})


def test_a_query_names_each_column_once(postgres: str, duckdb_target: Target) -> None:
    query = "select 1 as id, 2 as a, 3 as a"
    with pytest.raises(SourceRefused, match=r"several columns named a\."):
        load_table(duckdb_target, postgres, columns=SHAPE, query=query)


def test_a_declared_column_that_is_not_there_is_null_and_told(
    things: str, duckdb_target: Target
) -> None:
    result = load_table(duckdb_target, things, columns=SHAPE)
    assert counts(result) == [("things", 1, 1, 0, 0)]
    assert result.notices == (
        "other_db.things has no column at in the database: null in what is read.",
    )


def test_a_query_may_end_in_a_semicolon_or_a_comment(things: str, duckdb_target: Target) -> None:
    for end in (";\n", " -- all of them"):
        query = f"with few as (select * from things limit 5) select id, name from few{end}"
        shape = columns(id="bigint", name="text")
        result = load_table(duckdb_target, things, query=query, columns=shape)
        assert counts(result) == [("things", 1, 1, 0, 0)]


def test_a_table_that_may_not_be_read_is_told_from_one_that_is_not_there(
    postgres: str, duckdb_target: Target
) -> None:
    run(postgres, "create table things (id int primary key)")
    run(postgres, "drop role if exists guest", "create role guest login")
    guest = postgres.replace("postgres:@", "guest@")
    with pytest.raises(SourceRefused, match=r"permission denied for table things\. Grant"):
        load_table(duckdb_target, guest, columns=columns(id="bigint"))


def test_a_file_that_is_not_there_is_not_made(duckdb_target: Target, tmp_path: Path) -> None:
    path = tmp_path / "nothing.sqlite"
    with pytest.raises(SourceRefused, match="No file"):
        load_table(duckdb_target, f"sqlite:///{path}", columns=SHAPE)
    assert not path.exists()


def test_names_that_would_be_one_are_numbered(postgres: str, target: Target) -> None:
    run(
        postgres,
        'create table things (id int primary key, "Id" int, _dlt_id text, _dlt_load_id text)',
        "insert into things values (1, 2, 'a', 'b')",
    )
    load_table(target, postgres, columns=reflected(postgres, "things"))
    found = "select id, id_2, _dlt_id_2, _dlt_load_id_2 from raw_other_db.things"
    assert rows(target, found) == [(1, 2, "a", "b")]


def test_a_table_that_is_gone_stops_alone(duckdb_target: Target, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'source.sqlite'}"
    names = ("first", "second", "third")
    run(url, *(f"create table {name} (id, v)" for name in names))
    run(url, *(f"insert into {name} values (1, 1)" for name in names))
    shape = columns(id="bigint", v="bigint")

    def resources() -> Any:
        made: Any = {"key": "id", "columns": shape}
        return [table(name, url, **made, cursor=cursor("v")) for name in names]

    assert len(counts(load_tables(duckdb_target, resources))) == 3
    run(url, "drop table first", "alter table second rename v to w")
    run(url, "insert into third values (2, 2)")
    with pytest.raises(TableRefused) as caught:
        load_tables(duckdb_target, resources)
    assert "No table named 'first'" in str(caught.value)
    assert "'second' has no column v" in str(caught.value)
    assert counts(caught.value.result) == [("third", 2, 1, 1, 0)]
    assert rows(duckdb_target, "select count(*) from raw_other_db.first") == [(1,)]


@pytest.mark.parametrize("by", ["v", None])
def test_one_of_reflected_tables_that_is_gone_stops_alone(
    duckdb_target: Target, tmp_path: Path, by: str | None
) -> None:
    url = f"sqlite:///{tmp_path / 'source.sqlite'}"
    names = ("first", "second", "third")
    run(url, *(f"create table {name} (id integer, v integer)" for name in names))
    run(url, *(f"insert into {name} values (1, 1)" for name in names))
    more = columns(v="text")

    def resources() -> Any:
        return [
            table(
                name,
                url,
                key="id",
                columns=reflected(url, name) | more,
                cursor=cursor(by) if by else None,
            )
            for name in names
        ]

    assert len(counts(load_tables(duckdb_target, resources))) == 3
    run(url, "drop table first", "alter table second rename id to nr")
    run(url, "insert into third values (2, 2)")
    for kept in ("2", "2"):
        with pytest.raises(TableRefused) as caught:
            load_tables(duckdb_target, resources)
        assert "No table named 'first'" in str(caught.value)
        assert "'second' has no column id in its database" in str(caught.value)
        found = rows(duckdb_target, "select max(v) from raw_other_db.third")
        assert found == [(kept,)]
    assert rows(duckdb_target, "select id, v from raw_other_db.first") == [(1, "1")]
