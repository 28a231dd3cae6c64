"""A sweep marks what vanished from the source, and reads again what stands otherwise there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from loaders.columns import columns
from loaders.cursor import cursor
from loaders.errors import SourceShrunk
from tests.integration.loaders.databases import counts, load_table, rows, run

if TYPE_CHECKING:
    from loaders.load import LoadResult
    from loaders.warehouse import Target

pytestmark = pytest.mark.slow

THINGS = columns(id="bigint", name="text", updated_at="timestamp")
CREATE = "create table things (id integer primary key, name varchar(50), updated_at timestamp null)"
LIVE = "select id from raw_other_db.things where _deleted_at is null order by id"


def sweep(target: Target, url: str, **options: Any) -> LoadResult:
    given = {"columns": THINGS, "cursor": cursor("updated_at"), "sweep_deletes": True}
    return load_table(target, url, **{**given, **options})


@pytest.fixture
def things(database: str) -> str:
    """A table of thirty rows."""
    values = ", ".join(f"({n}, 'n{n}', '2024-01-{n:02} 10:00:00')" for n in range(1, 31))
    run(database, CREATE, f"insert into things values {values}")
    return database


def test_vanished_rows_stay_in_raw_marked_and_are_counted(things: str, target: Target) -> None:
    assert counts(sweep(target, things)) == [("things", 30, 30, 0, 0)]
    run(things, "delete from things where id in (3, 30)")
    result = sweep(target, things)
    assert counts(result) == [("things", 2, 2, 0, 0)]
    assert "2 rows are no longer in the source and were marked" in " ".join(result.notices)
    assert len(rows(target, LIVE)) == 28
    gone = "select name, _dlt_load_id from raw_other_db.things where _deleted_at is not null"
    assert sorted(rows(target, gone)) == [("n3", result.load_ids[-1]), ("n30", result.load_ids[-1])]
    assert counts(sweep(target, things)) == []


WIDE = columns(
    id="bigint",
    price="decimal(20, 6)",
    share="double",
    small="double",
    is_open="boolean",
    day="date",
    seen_at="timestamp",
    note="text",
    raw="text",
    updated_at="timestamp",
)


def test_a_vanished_row_keeps_its_values_of_every_type(database: str, target: Target) -> None:
    binary = "bytea" if database.startswith("postgres") else "blob"
    run(
        database,
        "create table things (id integer primary key, price decimal(20, 6), "
        "share double precision, small real, is_open boolean, day date, seen_at timestamp null, "
        f"note varchar(50), raw {binary}, updated_at timestamp null)",
        "insert into things select 1, 12345678.100001, 0.1, 0.1, true, '2024-02-29', "
        "'2024-01-01 10:00:00.123456', '0.10', null, '2024-01-01 10:00:00'",
        "insert into things select 2, -0.5, null, 2.5, false, null, null, '', null, null",
        "insert into things select 3, 7, 1e300, null, null, '1999-12-31', null, null, null, "
        "'2024-01-02 10:00:00'",
    )
    assert counts(sweep(target, database, columns=WIDE)) == [("things", 3, 3, 0, 0)]
    names = ", ".join(WIDE)
    before = rows(target, f"select {names} from raw_other_db.things order by id")
    run(database, "delete from things where id in (1, 2)")
    assert counts(sweep(target, database, columns=WIDE)) == [("things", 3, 2, 1, 0)]
    assert rows(target, f"select {names} from raw_other_db.things order by id") == before
    assert rows(target, LIVE) == [(3,)]


def test_a_row_that_is_there_again_is_live_again(things: str, duckdb_target: Target) -> None:
    sweep(duckdb_target, things)
    run(things, "delete from things where id = 3")
    sweep(duckdb_target, things)
    run(things, "insert into things values (3, 'back', '2024-01-03 10:00:00')")
    assert counts(sweep(duckdb_target, things))[0][:3] == ("things", 2, 1)
    assert len(rows(duckdb_target, LIVE)) == 30


def test_what_changed_behind_the_cursor_is_read_again(things: str, duckdb_target: Target) -> None:
    sweep(duckdb_target, things)
    run(things, "update things set name = 'old', updated_at = '2023-01-01 00:00:00' where id = 7")
    run(things, "insert into things values (99, 'late', '2023-06-01 00:00:00')")
    result = sweep(duckdb_target, things)
    assert "2 rows stood otherwise in the source" in " ".join(result.notices)
    found = rows(duckdb_target, "select name from raw_other_db.things where id in (7, 99)")
    assert sorted(found) == [("late",), ("old",)]


@pytest.mark.parametrize("left", ["id <= 10", "1 = 0"])
def test_a_shrunken_source_stops_and_asks(things: str, duckdb_target: Target, left: str) -> None:
    sweep(duckdb_target, things)
    run(things, f"delete from things where not ({left})")
    with pytest.raises(SourceShrunk, match=r"has shrunk: .* of 30 rows are no longer"):
        sweep(duckdb_target, things)
    assert len(rows(duckdb_target, LIVE)) == 30
    sweep(duckdb_target, things, allow_shrink=True)
    assert len(rows(duckdb_target, LIVE)) in {0, 10}


def test_a_column_of_the_sources_own_can_take_the_mark(
    duckdb_target: Target, tmp_path: Any
) -> None:
    url = f"sqlite:///{tmp_path / 'own.sqlite'}"
    run(url, "create table things (id integer primary key, name text, gone_at text)")
    run(url, "insert into things values (1, 'a', null), (2, 'b', '2024-01-01'), (3, 'c', null)")
    shape = columns(id="bigint", name="text", gone_at="timestamp")
    options: Any = {"columns": shape, "cursor": None, "deleted_at": "gone_at"}
    sweep(duckdb_target, url, **options)
    run(url, "delete from things where id in (2, 3)")
    sweep(duckdb_target, url, **options)
    found = rows(duckdb_target, "select id from raw_other_db.things where gone_at is null")
    assert found == [(1,)]


def test_rows_taken_are_marked_in_the_source_after_the_commit(
    things: str, duckdb_target: Target
) -> None:
    run(things, "alter table things add column migrated_at timestamp null")
    options: Any = {"columns": THINGS, "taken_at": "migrated_at"}
    assert counts(load_table(duckdb_target, things, **options)) == [("things", 30, 30, 0, 0)]
    assert counts(load_table(duckdb_target, things, **options)) == []
    run(things, "insert into things (id, name) values (31, 'new')")
    assert counts(load_table(duckdb_target, things, **options)) == [("things", 1, 1, 0, 0)]
    run(things, "update things set migrated_at = null where id = 4")
    assert counts(load_table(duckdb_target, things, **options)) == [("things", 1, 1, 0, 0)]


def test_rows_of_a_load_that_failed_are_not_marked(
    things: str, duckdb_target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    import loaders.load

    def fail(*_: object, **__: object) -> None:
        raise OSError("the disk went away")

    run(things, "alter table things add column migrated_at timestamp null")
    options: Any = {"columns": THINGS, "taken_at": "migrated_at"}
    with monkeypatch.context() as patch:
        patch.setattr(loaders.load, "brought", fail)
        with pytest.raises(Exception, match="the disk went away"):
            load_table(duckdb_target, things, **options)
    load_table(duckdb_target, things, **options)
    assert rows(duckdb_target, "select count(*), count(distinct id) from raw_other_db.things") == [
        (30, 30)
    ]
    assert counts(load_table(duckdb_target, things, **options)) == []
