"""Where somebody put hands on the warehouse, a load does not go on behind what is missing."""

from __future__ import annotations

from shutil import copyfile
from typing import TYPE_CHECKING

import pytest
from dlt import Pipeline

from loaders.columns import columns
from loaders.cursor import cursor
from loaders.errors import LoaderError, WarehouseFailed
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


@pytest.mark.parametrize("left_unfinished", [False, True])
def test_after_a_backup_was_restored_what_it_lacks_is_read_again(
    left_unfinished: bool,
    duckdb_target: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, backup = Source(tmp_path), tmp_path / "backup.duckdb"
    path = duckdb_target.path
    assert path
    source.day(1)
    source.load(duckdb_target)
    copyfile(path, backup)
    source.day(2)
    source.load(duckdb_target)
    source.day(3)
    if left_unfinished:
        with monkeypatch.context() as patch:
            patch.setattr(Pipeline, "load", failing)
            with pytest.raises(LoaderError, match="power failed"):
                source.load(duckdb_target)
    copyfile(backup, path)
    result = source.load(duckdb_target)
    assert sorted(counts(result)) == [("sales", 2, 2, 0, 0), ("things", 3, 2, 1, 0)]
    told = "other_db: the warehouse is older than what was remembered here (was a backup restored?)"
    assert [notice.startswith(told) for notice in result.notices] == [True]
    for name in ("things", "sales"):
        sql = f"select id from raw_other_db.{name} order by id"
        assert rows(duckdb_target, sql) == [(1,), (2,), (3,)]
    again = source.load(duckdb_target)
    assert [count.loaded for count in again.tables] == [0] * len(again.tables)
    assert not again.notices


def failing(*_: object, **__: object) -> None:
    """Fail as if in the middle of a load."""
    raise OSError("power failed")


def drop(target: Target, sql: str) -> None:
    """Drop something of the warehouse."""
    with target.connect() as connection:
        connection.execute(sql)
        if target.dsn:
            connection.raw.commit()
