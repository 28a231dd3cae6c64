"""Whatever a database calls a table is read, by the columns that the database itself declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from loaders.readers.database import table
from loaders.readers.database_types import reflected
from tests.integration.loaders.databases import counts, load_tables, rows, run

if TYPE_CHECKING:
    from pathlib import Path

    from loaders.warehouse import Target

pytestmark = pytest.mark.slow

ODD_COLUMNS: Final = ("Order ID", "größe", "select", 'a"b', "a'b", "%s", "a.b", "日本", "x y")
WIDE: Final = ", ".join(f"c{number} int default {number}" for number in range(200))
POSTGRES: Final = {
    "made": (
        (
            "create table made (id int generated always as identity primary key, a int, "
            "b int generated always as (a * 2) stored)"
        ),
        "insert into made (a) values (1), (2)",
    ),
    "parts": (
        "create table parts (id int primary key, v int) partition by range (id)",
        "create table parts_low partition of parts for values from (0) to (10)",
        "create table parts_rest partition of parts default",
        "insert into parts values (1, 1), (100, 2)",
    ),
    "parent": (
        "create table parent (id int primary key)",
        "create table child (more int) inherits (parent)",
        "insert into parent values (1)",
        "insert into child values (2, 2)",
    ),
    "seen": ("create view seen as select id, v from parts union all select 7, 7",),
    "kept": ("create materialized view kept as select id, v from parts",),
    "user": (
        'create table "user" (id int primary key, "order" int)',
        'insert into "user" values (1, 1)',
    ),
    'Straße & "Sohn" 表': (
        'create table "Straße & ""Sohn"" 表" (id int primary key, '
        + ", ".join('"{}" int'.format(name.replace('"', '""')) for name in ODD_COLUMNS)
        + ")",
        'insert into "Straße & ""Sohn"" 表" values (1' + ", 7" * len(ODD_COLUMNS) + ")",
    ),
    "Other One.things": (
        'create schema "Other One"',
        'create table "Other One".things (id int primary key)',
        'insert into "Other One".things values (1)',
    ),
    "wide": (f"create table wide (id int primary key, {WIDE})", "insert into wide values (1)"),
    "empty": ("create table empty (id int primary key, v text)",),
    "nulls": (
        (
            "create table nulls (id int primary key, t text, n numeric(18, 2), d date, "
            "j jsonb, b bytea)"
        ),
        "insert into nulls select i from generate_series(1, 3) as i",
    ),
    "rare": (
        "create domain mark as text check (value <> '')",
        "create type pair as (a int, b text)",
        (
            "create table rare (id int primary key, huge numeric(1000, 500), mark mark, "
            "words tsvector, pair pair, spans int4multirange, bits varbit, net macaddr)"
        ),
        (
            "insert into rare values (1, 1e400 + 1e-400, 'a', 'b:1 c:2', '(1,x)', "
            "'{[1,2),[5,6)}', B'101', '08:00:2b:01:02:03')"
        ),
    ),
}


def test_every_relation_of_postgresql(postgres: str, target: Target) -> None:
    for statements in POSTGRES.values():
        run(postgres, *statements)
    names = {f"t{number}": relation for number, relation in enumerate(POSTGRES)}

    def resources() -> Any:
        return [
            table(name, postgres, key="id", columns=reflected(postgres, own), source_table=own)
            for name, own in names.items()
        ]

    found = [2, 2, 2, 3, 2, 1, 1, 1, 1, 3, 1]
    there = [name for name, own in names.items() if own != "empty"]
    first = load_tables(target, resources)
    assert sorted(counts(first)) == sorted(
        (n, c, c, 0, 0) for n, c in zip(there, found, strict=True)
    )
    assert sorted(counts(load_tables(target, resources))) == sorted(counts(first))

    def all_of(relation: str) -> list[tuple[Any, ...]]:
        name = next(n for n, own in names.items() if own == relation)
        with target.connect() as connection:
            own = [c for c in connection.columns("raw_other_db", name) if not c.startswith("_dlt")]
        listed = ", ".join(f'"{column}"' for column in own)
        return rows(target, f"select {listed} from raw_other_db.{name} order by id")

    assert all_of("made") == [(1, 1, 2), (2, 2, 4)]
    assert all_of("parts") == all_of("kept") == [(1, 1), (100, 2)]
    assert all_of("seen") == [(1, 1), (7, 7), (100, 2)]
    assert all_of('Straße & "Sohn" 表') == [(1, *[7] * len(ODD_COLUMNS))]
    assert all_of("wide") == [(1, *range(200))]
    assert all_of("empty") == []
    assert all_of("nulls") == [(number, *[None] * 5) for number in (1, 2, 3)]
    huge = f"1{'0' * 400}.{'0' * 399}1{'0' * 100}"
    rare = ("a", "'b':1 'c':2", '{"a":1,"b":"x"}', "{[1,2),[5,6)}", "101")
    assert all_of("rare") == [(1, huge, *rare, "08:00:2b:01:02:03")]


def test_every_relation_of_sqlite(target: Target, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'relations.sqlite'}"
    run(
        url,
        "create table plain (id integer primary key, v numeric(18, 2))",
        "insert into plain values (1, 1.5)",
        "create table bare (id text primary key, v int) without rowid",
        "insert into bare values ('a', 1)",
        "create table strictly (id int primary key, v any, t text) strict",
        "insert into strictly values (1, x'00', 'x'), (2, 1.5, null)",
        "create table made (id integer primary key, a int, b int generated always as (a * 2))",
        "insert into made (a) values (3)",
        "create view seen as select id, v from plain",
        'create table "group ""by"" é" (id integer primary key, "a b" int)',
        'insert into "group ""by"" é" values (1, 2)',
    )
    names = ("plain", "bare", "strictly", "made", "seen", 'group "by" é')

    def resources() -> Any:
        return [
            table(f"t{at}", url, key="id", columns=reflected(url, own), source_table=own)
            for at, own in enumerate(names)
        ]

    loaded = [(f"t{at}", count, count, 0, 0) for at, count in enumerate((1, 1, 2, 1, 1, 1))]
    assert sorted(counts(load_tables(target, resources))) == loaded
    assert rows(target, "select id, v, t from raw_other_db.t2 order by id") == [
        (1, "\\x00", "x"),
        (2, "1.5", None),
    ]
    assert rows(target, "select a, b from raw_other_db.t3") == [(3, 6)]
    assert rows(target, "select a_b from raw_other_db.t5") == [(2,)]
