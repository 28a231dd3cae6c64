"""Dates and missing values are read as real systems write them."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

import dlt
import pytest

from loaders.columns import columns, with_nulls
from loaders.dispositions import REPLACE_KEYS
from loaders.load import load
from loaders.readers.database import table
from loaders.readers.files import CsvOptions, files
from tests.integration.loaders.databases import rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loaders.warehouse import Target

DATED = columns(id="bigint", on="date(%d.%m.%Y)", at="timestamp(%m/%d/%Y %H:%M)")
GIVEN = [(1, "31.12.2025", "12/31/2025 23:59"), (2, "2025-12-31", None), (3, "1.2.2026", None)]
READ = [(1, "2025-12-31", "2025-12-31 23:59:00"), (3, "2026-02-01", None)]


def written(resources: Callable[[], Any], target: Target) -> None:
    """Load things and hold them against what was given."""

    @dlt.source(name="old")
    def old() -> Any:
        return resources()

    load(old(), target=target)
    sql = 'select id, cast("on" as varchar), left(cast("at" as varchar), 19) from raw_old.things'
    assert rows(target, f"{sql} order by id") == READ
    reasons = rows(target, "select distinct reason from raw_old._rejects")
    assert reasons == [("on: '2025-12-31' is not a date like %d.%m.%Y",)]


def test_dates_of_files_are_read_as_they_say(tmp_path: Path, duckdb_target: Target) -> None:
    lines = [",".join("" if v is None else str(v) for v in row) for row in GIVEN]
    (tmp_path / "things.csv").write_text("\n".join(["id,on,at", *lines, ""]))
    written(lambda: files("things", str(tmp_path), pattern="*.csv", columns=DATED), duckdb_target)


@pytest.mark.slow
def test_dates_of_pages_and_databases_are_read_as_they_say(tmp_path: Path, target: Target) -> None:
    page = [dict(zip(DATED, row, strict=True)) for row in GIVEN]
    hints: Any = {"primary_key": "id", "columns": DATED, "write_disposition": REPLACE_KEYS}
    written(lambda: dlt.resource([page], name="things", **hints), target)
    with sqlite3.connect(tmp_path / "old.sqlite") as connection:
        connection.execute('create table things (id, "on", at)')
        connection.executemany("insert into things values (?, ?, ?)", GIVEN)
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    written(lambda: table("things", url, key="id", columns=DATED), target)


def test_what_stands_for_nothing_is_null(tmp_path: Path, duckdb_target: Target) -> None:
    (tmp_path / "things.csv").write_text('id,size,name\n1,NA,"NA"\n2,,NA\n3,\\N,x\n')

    @dlt.source(name="old")
    def old() -> Any:
        wanted = CsvOptions(nulls=("", "NA", "\\N"))
        declared = columns(id="bigint", size="bigint", name="text")
        return files("things", str(tmp_path), pattern="*.csv", columns=declared, csv=wanted)

    load(old(), target=duckdb_target)
    found = rows(duckdb_target, "select id, size, name from raw_old.things order by id")
    assert found == [(1, None, None), (2, None, None), (3, None, "x")]
    assert rows(duckdb_target, "select * from raw_old._rejects") == []


SIZED = with_nulls(
    columns(id="bigint", size="bigint", sold="date", name="text", price="decimal(9, 2)"),
    *("", "N/A"),
)
SOLD = [
    {"id": "1", "size": "", "sold": "N/A", "name": "N/A", "price": ""},
    {"id": "2", "size": "7", "sold": "2026-01-31", "name": "x", "price": "1.50"},
    {"id": "", "size": "1", "sold": "", "name": "x", "price": "2"},
    {"id": "4", "size": "n/a", "sold": "", "name": "x", "price": "2"},
]


KEYED = ("page", "database")


def sold(door: str, resource: Callable[[], Any], target: Target) -> None:
    """Load them and hold what came of them against what was given."""

    @dlt.source(name=door)
    def old() -> Any:
        return resource()

    (count,) = load(old(), target=target).tables
    things = f"raw_{door}.things"
    sql = f"select id, size, sold::varchar, name, price::varchar from {things} order by id"
    kept = [(1, None, None, "N/A", None), (2, 7, "2026-01-31", "x", "1.50")]
    found = rows(target, sql)
    assert found[:2] == kept
    reasons = {"size: 'n/a' is not a bigint"} | ({"id is missing"} if door in KEYED else set())
    count_bad = len(reasons)
    counted = (count.read, count.loaded, count.collapsed, count.rejected)
    assert counted == (4, 4 - count_bad, 0, count_bad)
    assert set(rows(target, f"select reason from raw_{door}._rejects")) == {(r,) for r in reasons}


def test_what_stands_for_nothing_is_null_by_every_door(
    tmp_path: Path, duckdb_target: Target
) -> None:
    hints: Any = {"primary_key": "id", "columns": SIZED, "write_disposition": REPLACE_KEYS}
    sold("page", lambda: dlt.resource([SOLD], name="things", **hints), duckdb_target)
    with sqlite3.connect(tmp_path / "old.sqlite") as connection:
        connection.execute("create table things (id, size, sold, name, price)")
        listed = [tuple(row.values()) for row in SOLD]
        connection.executemany("insert into things values (?, ?, ?, ?, ?)", listed)
    url = f"sqlite:///{tmp_path / 'old.sqlite'}"
    sold("database", lambda: table("things", url, key="id", columns=SIZED), duckdb_target)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_what_stands_for_nothing_is_null_in_files(
    tmp_path: Path, duckdb_target: Target, kind: str
) -> None:
    lines = [",".join(row.values()) for row in SOLD]
    text = "\n".join([",".join(SIZED), *lines])
    if kind == "jsonl":
        text = "\n".join(map(json.dumps, SOLD))
    (tmp_path / f"things.{kind}").write_text(text + "\n")
    sold(
        kind,
        lambda: files("things", str(tmp_path), pattern=f"*.{kind}", columns=SIZED),
        duckdb_target,
    )


def test_lines_above_the_header_are_skipped_and_counted(
    tmp_path: Path, duckdb_target: Target
) -> None:
    top = "Report of the 1st, by region\n\n"
    (tmp_path / "things.csv").write_text(f"{top}id,name\n1,a\n2,b,c\ntwo,d\n3,e\n")

    @dlt.source(name="old")
    def old() -> Any:
        declared = columns(id="bigint", name="text")
        wanted = CsvOptions(skip=2)
        return files("things", str(tmp_path), pattern="*.csv", columns=declared, csv=wanted)

    load(old(), target=duckdb_target)
    found = rows(duckdb_target, "select id, name, _line from raw_old.things order by id")
    assert found == [(1, "a", 4), (3, "e", 7)]
    rejected = rows(duckdb_target, "select position from raw_old._rejects order by 1")
    assert rejected == [("5",), ("6",)]
