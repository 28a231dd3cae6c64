"""A raw table that was dropped by hand stops its source, and is told, before anything is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loaders.columns import columns
from loaders.cursor import cursor
from loaders.errors import WarehouseFailed
from loaders.readers.database import table
from loaders.readers.files import files
from tests.integration.loaders.databases import counts, load_tables, rows, run

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from loaders.load import LoadResult
    from loaders.warehouse import Target

SHAPE = columns(id="bigint", at="timestamp")
SALES = columns(id="bigint", amount="bigint")


class Source:
    """A database table with a cursor and a folder."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path / 'source.sqlite'}"
        self.folder = path / "files"
        self.folder.mkdir()
        run(self.url, "create table things (id integer primary key, at text)")

    def day(self, number: int) -> None:
        """Add one row to the table, and one file of one row."""
        run(self.url, f"insert into things values ({number}, '2026-01-0{number} 00:00:00')")
        (self.folder / f"{number}.csv").write_text(f"id,amount\n{number},7\n")

    def load(self, target: Target, *names: str) -> LoadResult:
        """Load the source, or some of its tables."""
        made: dict[str, Any] = {
            "things": lambda: table(
                "things", self.url, key="id", columns=SHAPE, cursor=cursor("at")
            ),
            "sales": lambda: files("sales", str(self.folder), columns=SALES),
        }
        return load_tables(target, lambda: [made[name]() for name in names or made])


@pytest.mark.parametrize("name", ["things", "sales", "_files"])
def test_a_dropped_table_is_told_and_nothing_is_read(
    name: str, duckdb_target: Target, tmp_path: Path
) -> None:
    source, target = Source(tmp_path), duckdb_target
    source.day(1)
    source.load(target)
    drop(target, f"drop table raw_other_db.{name}")
    source.day(2)
    for _ in range(2):
        with pytest.raises(WarehouseFailed, match=f"lacks 'raw_other_db.{name}', which earlier"):
            source.load(target)
    left = next(each for each in ("things", "sales") if each != name)
    assert len(rows(target, f"select id from raw_other_db.{left}")) == 1


def test_what_the_message_advises_brings_all_rows_back(target: Target, tmp_path: Path) -> None:
    source = Source(tmp_path)
    for number in (1, 2):
        source.day(number)
        source.load(target)
    drop(target, "drop table raw_other_db.things")
    with pytest.raises(WarehouseFailed) as told:
        source.load(target)
    drop(target, str(told.value).split("`")[1])
    result = source.load(target)
    assert sorted(counts(result)) == [("sales", 2, 2, 0, 0), ("things", 2, 2, 0, 0)]
    assert rows(target, "select id from raw_other_db.things order by id") == [(1,), (2,)]
    assert rows(target, "select id from raw_other_db.sales order by id") == [(1,), (2,)]


def test_a_table_that_its_source_has_no_more_may_go(duckdb_target: Target, tmp_path: Path) -> None:
    source, target = Source(tmp_path), duckdb_target
    source.day(1)
    source.load(target)
    drop(target, "drop table raw_other_db.things")
    source.day(2)
    assert counts(source.load(target, "sales")) == [("sales", 1, 1, 0, 0)]


def drop(target: Target, sql: str) -> None:
    """Drop something of the warehouse."""
    with target.connect() as connection:
        connection.execute(sql)
        if target.dsn:
            connection.raw.commit()
