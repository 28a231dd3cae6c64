"""Rows are paged, swept and marked as taken by keys of any kind, in the order of their database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from loaders.columns import columns
from loaders.cursor import cursor
from loaders.errors import SettingMissing
from tests.integration.loaders.databases import counts, load_table, rows, run

if TYPE_CHECKING:
    from pathlib import Path

    from loaders.warehouse import Target

pytestmark = pytest.mark.slow

MOODS: Final = ("'sad'", "'happy'", "'angry'")
TEXTS: Final = ("'a'", "'B'", "'é''x'", "''", "'日%:'")
TIMES: Final = ("'2024-01-01 10:00:00'", "'2024-01-01 10:00:00.123456'")
KEYS: Final[dict[str, list[tuple[str, str, tuple[str, ...]]]]] = {
    "postgresql": [
        ("mood", "text", MOODS),
        ("inet", "text", ("'10.0.0.1'", "'9.0.0.1'", "'100.0.0.1'")),
        ("bytea", "text", (r"'\x00ff'", r"'\xaa'")),
        (
            "uuid",
            "text",
            ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"),
        ),
        ("timestamp", "timestamp", TIMES),
        ("text", "text", (*TEXTS, "'A'", "'a '")),
    ],
    "mysql": [
        ("enum('sad','happy','angry')", "text", MOODS),
        ("time", "text", ("'10:00'", "'-838:59:59'")),
        ("binary(4)", "text", ("x'00ff00aa'", "x'aa00ff00'")),
        ("datetime(6)", "timestamp", TIMES),
        ("varchar(20)", "text", TEXTS),
    ],
    "sqlite": [
        ("text collate nocase", "text", TEXTS),
        ("blob", "text", ("x'00ff'", "x'aa'")),
        ("datetime", "text", TIMES),
    ],
}


def test_of_any_kind(database: str, duckdb_target: Target) -> None:
    if "postgres" in database:
        run(database, "create type mood as enum ('sad', 'happy', 'angry')")
    for number, (kind, word, values) in enumerate(KEYS[database.partition("+")[0].split(":")[0]]):
        name = f"t{number}"
        run(
            database,
            f"create table {name} (k {kind} not null, n integer not null, v integer, "
            "taken timestamp null, primary key (k, n))",
            *(f"insert into {name} values ({v}, {n}, {n}, null)" for v in values for n in (1, 2)),
        )
        options: dict[str, Any] = {
            "name": name,
            "key": ("k", "n"),
            "columns": columns(k=word, n="bigint", v="bigint"),
            "page_size": 2,
            "time_zone": "Europe/Berlin",
        }
        whole = 2 * len(values)
        assert counts(load_table(duckdb_target, database, **options)) == [
            (name, whole, whole, 0, 0)
        ]
        options["cursor"] = cursor("v")
        load_table(duckdb_target, database, **options)
        run(
            database,
            f"update {name} set v = 0 where k = {values[0]} and n = 2",
            f"delete from {name} where k = {values[1]} and n = 1",
        )
        load_table(duckdb_target, database, sweep_deletes=True, **options)
        live = f"select count(*), min(v) from raw_other_db.{name} where _deleted_at is null"
        assert rows(duckdb_target, live) == [(whole - 1, 0)], kind
        options |= {"cursor": None, "taken_at": "taken"}
        load_table(duckdb_target, database, **options)
        assert counts(load_table(duckdb_target, database, **options)) == [], kind


def test_by_the_thousand(database: str, target: Target) -> None:
    values = [f"({n}, {n % 7}, '2024-01-01 00:00:00', null)" for n in range(6000)]
    run(
        database,
        "create table things (a integer, b integer, at timestamp null, taken timestamp null, "
        "primary key (a, b))",
        *(
            f"insert into things values {','.join(values[i : i + 1000])}"
            for i in range(0, 6000, 1000)
        ),
    )
    options: dict[str, Any] = {
        "key": ("a", "b"),
        "columns": columns(a="bigint", b="bigint", at="timestamp"),
        "cursor": cursor("at"),
        "sweep_deletes": True,
    }
    load_table(target, database, **options)
    run(
        database,
        "update things set at = '2023-01-01 00:00:00' where a < 1500",
        "delete from things where a >= 4500",
    )
    assert counts(load_table(target, database, **options)) == [("things", 6000, 3000, 3000, 0)]
    options = {**options, "cursor": None, "sweep_deletes": False, "taken_at": "taken"}
    assert counts(load_table(target, database, **options)) == [("things", 4500, 4500, 0, 0)]
    assert counts(load_table(target, database, **options)) == []


def test_a_time_as_key_in_sqlite_is_to_be_a_text(duckdb_target: Target, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'times.sqlite'}"
    run(
        url,
        "create table things (id text, v integer)",
        "insert into things values ('2024-01-01', 2)",
    )
    shape = columns(id="timestamp", v="bigint")
    options: Any = {"columns": shape, "cursor": cursor("v"), "sweep_deletes": True}
    load_table(duckdb_target, url, **options)
    run(url, "update things set v = 1")
    with pytest.raises(SettingMissing, match="Declare it as text"):
        load_table(duckdb_target, url, **options)
