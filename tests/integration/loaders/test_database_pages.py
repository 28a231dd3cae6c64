"""Pages hold every row once, though keys be null, alike, of mixed kinds, or of far-off years."""

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

MIXED: Final = (
    *("1", "2", "5", "10", "1.5", "0.1 + 0.2", "1e300", "9e999", "9223372036854775807"),
    *("''", "'x'", "'10:'", "'a' || char(0) || 'b'", "cast(x'e9ff' as text)", "x''", "x'00ff'"),
)
"""Keys that SQLite takes for different ones, and the warehouse too."""
BEYOND: Final = ("'0044-03-15 BC'", "'2024-01-01'", "'12000-01-01'")


def make(url: str, kind: str, keys: tuple[str, ...]) -> None:
    """Make a table of these keys, numbered."""
    taken = "text" if "sqlite" in url else "date"
    run(
        url,
        "drop table if exists things",
        f"create table things (id {kind}, v integer, taken {taken})",
        *(f"insert into things (id, v) values ({key}, {v})" for v, key in enumerate(keys)),
    )


@pytest.mark.parametrize("size", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 4))])
def test_keys_of_mixed_kinds_in_sqlite(size: int, duckdb_target: Target, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mixed.sqlite'}"
    make(url, "", MIXED)
    run(url, "create view seen as select id, v from things union all select 'view', 100")
    whole = len(MIXED)
    found: Any = {"columns": columns(id="text", v="bigint"), "page_size": size}
    result = load_table(duckdb_target, url, **found)
    assert counts(result) == [("things", whole, whole, 0, 0)]
    result = load_table(duckdb_target, url, "seen", **found)
    assert counts(result) == [("seen", whole + 1, whole + 1, 0, 0)]


@pytest.mark.slow
def test_keys_of_mixed_kinds_are_swept_and_marked(duckdb_target: Target, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mixed.sqlite'}"
    make(url, "", MIXED)
    found: Any = {"columns": columns(id="text", v="bigint")}
    swept = found | {"cursor": cursor("v"), "sweep_deletes": True}
    load_table(duckdb_target, url, **swept)
    run(url, "update things set v = v - 100", "delete from things where id = 'x'")
    load_table(duckdb_target, url, **swept)
    live = "select count(*), max(v) from raw_other_db.things where _deleted_at is null"
    assert rows(duckdb_target, live) == [(len(MIXED) - 1, -100 + len(MIXED) - 1)]
    load_table(duckdb_target, url, **found, taken_at="taken")
    assert counts(load_table(duckdb_target, url, **found, taken_at="taken")) == []


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_rows_without_a_key_are_read_once(size: int, database: str, duckdb_target: Target) -> None:
    make(database, "integer", ("null", "null", "7", "8", "9"))
    shape = columns(id="bigint", v="bigint")
    result = load_table(duckdb_target, database, columns=shape, page_size=size)
    assert counts(result) == [("things", 5, 3, 0, 2)]


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2, 3])
def test_keys_that_the_database_takes_for_one(
    size: int, duckdb_target: Target, tmp_path: Path, mariadb_server: str
) -> None:
    from tests.integration.loaders.outputs.mariadb import fresh_database

    keys = ("'a'", "'A'", "'b'", "'aa'", "'B'", "'c'")
    kinds = {
        f"sqlite:///{tmp_path / 'alike.sqlite'}": "text collate nocase",
        fresh_database(mariadb_server): "varchar(9) collate utf8mb4_general_ci",
    }
    for url, kind in kinds.items():
        make(url, kind, keys)
        shape = columns(id="text", v="bigint")
        load_table(
            duckdb_target, url, url[:5], source_table="things", columns=shape, page_size=size
        )
        assert rows(duckdb_target, f"select count(*) from raw_other_db.{url[:5]}") == [(6,)], url


@pytest.mark.slow
def test_times_beyond_python(postgres: str, duckdb_target: Target) -> None:
    for kind, word in (("timestamp", "timestamp"), ("timestamptz", "timestamp"), ("date", "date")):
        name, shape = kind, columns(id=word, v="bigint")
        as_text = columns(id="text", v="bigint")
        make(postgres, kind, (*BEYOND, "'infinity'", "'-infinity'"))
        options: Any = {"source_table": "things", "page_size": 1}
        result = load_table(duckdb_target, postgres, name, columns=shape, **options)
        assert counts(result) == [(name, 5, 3, 0, 2)]
        options |= {"columns": as_text, "cursor": cursor("v"), "sweep_deletes": True}
        load_table(duckdb_target, postgres, f"{name}_text", **options)
        run(postgres, "update things set v = v - 9", f"delete from things where id = {BEYOND[2]}")
        load_table(duckdb_target, postgres, f"{name}_text", **options)
        live = f"select count(*), max(v) from raw_other_db.{name}_text where _deleted_at is null"
        assert rows(duckdb_target, live) == [(4, -5)]
        options |= {"cursor": None, "sweep_deletes": False, "taken_at": "taken"}
        load_table(duckdb_target, postgres, f"{name}_text", **options)
        assert counts(load_table(duckdb_target, postgres, f"{name}_text", **options)) == []


@pytest.mark.slow
def test_a_sweep_tells_of_times_beyond_python(postgres: str, duckdb_target: Target) -> None:
    make(postgres, "timestamp", BEYOND)
    options: Any = {"columns": columns(id="timestamp", v="bigint"), "cursor": cursor("v")}
    load_table(duckdb_target, postgres, **options)
    run(postgres, "update things set v = v - 9")
    with pytest.raises(SettingMissing, match="Declare it as text"):
        load_table(duckdb_target, postgres, sweep_deletes=True, **options)
