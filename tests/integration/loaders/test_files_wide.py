"""Columns that nobody declared are added together, hundreds of them too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from loaders.readers.landing import _add

if TYPE_CHECKING:
    from tests.integration.loaders.drop_folder import DropFolder


def test_hundreds_of_columns_that_nobody_declared_come_at_once(drop: DropFolder) -> None:
    names = ["id", *(f"c{number}" for number in range(700))]
    drop.write("1.csv", f"{','.join(names)}\n{','.join(map(str, range(701)))}\n")
    assert drop.counts() == (1, 1, 0)
    drop.write("2.csv", "id,d1,d2\n7,new,newer\n")  # behind rows that are there
    assert drop.counts() == (1, 1, 0)
    with drop.target.connect() as connection:
        found = connection.execute(
            "select c0, c699, d2, _file, _line from raw_drop.sales order by id"
        ).fetchall()
    assert found == [("1", "700", None, "1.csv", 2), (None, None, "newer", "2.csv", 2)]


def test_columns_of_a_table_without_rows_are_added_by_one_statement() -> None:
    with duckdb.connect() as connection:
        connection.execute('create table t (id bigint not null, "a ""b" varchar)')
        connection.execute("call enable_logging('QueryLog')")
        _add(connection, "t", {f"c {number}": "varchar" for number in range(50)})
        ran = connection.execute(
            "select count(*) from duckdb_logs where message ilike '%alter table%' "
            "or message ilike 'create or replace table%'"
        ).fetchall()
        described = connection.execute("describe t").fetchall()
    assert ran == [(1,)]
    assert [row[:3] for row in described[:3]] == [
        ("id", "BIGINT", "NO"),
        ('a "b', "VARCHAR", "YES"),
        ("c 0", "VARCHAR", "YES"),
    ]
    assert len(described) == 52
