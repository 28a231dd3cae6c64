"""A database's tables arrive exactly: SQLite, PostgreSQL and MariaDB, whole and by cursor."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from loaders.columns import columns
from loaders.cursor import cursor
from loaders.errors import SourceRefused, SourceUnreachable
from tests.integration.loaders.databases import counts, load_table, load_tables, rows, run

if TYPE_CHECKING:
    from loaders.warehouse import Target

pytestmark = pytest.mark.slow

THINGS = columns(id="bigint", name="text", amount="decimal(18, 2)", updated_at="timestamp")
CREATE = (
    "create table things (id integer primary key, name varchar(50), amount decimal(18, 2), "
    "updated_at timestamp null)"
)
FILL = (
    "insert into things values (1, 'one', 1.50, '2024-01-01 10:00:00'), "
    "(2, 'two', null, '2024-01-01 11:00:00'), (3, 'three', 3.25, '2024-01-01 11:00:00')"
)
KEYS = "select id from raw_other_db.things order by id"


@pytest.fixture
def things(database: str) -> str:
    """A table of three rows, of which two tie at the newest time."""
    run(database, CREATE, FILL)
    return database


def by_cursor(target: Target, url: str, lag: float = 0, **options: object) -> object:
    return load_table(target, url, columns=THINGS, cursor=cursor("updated_at", lag=lag), **options)


def test_a_whole_table_arrives_as_declared_and_twice_the_same(
    things: str, duckdb_target: Target
) -> None:
    for _ in range(2):
        result = load_table(duckdb_target, things, columns=THINGS)
        assert counts(result) == [("things", 3, 3, 0, 0)]
    found = rows(
        duckdb_target, "select id, name, amount, updated_at from raw_other_db.things order by id"
    )
    assert [row[:3] for row in found] == [
        (1, "one", Decimal("1.50")),
        (2, "two", None),
        (3, "three", Decimal("3.25")),
    ]
    assert found[0][3].astimezone(UTC) == datetime(2024, 1, 1, 10, tzinfo=UTC)


def test_ties_at_the_boundary_are_neither_lost_nor_doubled(
    things: str, duckdb_target: Target
) -> None:
    assert counts(by_cursor(duckdb_target, things)) == [("things", 3, 3, 0, 0)]
    run(things, "insert into things values (4, 'four', 4, '2024-01-01 11:00:00')")
    assert counts(by_cursor(duckdb_target, things)) == [("things", 3, 1, 2, 0)]
    run(things, "update things set name = 'TWO', updated_at = '2024-01-02 00:00:00' where id = 2")
    assert counts(by_cursor(duckdb_target, things)) == [("things", 3, 1, 2, 0)]
    assert rows(duckdb_target, KEYS) == [(1,), (2,), (3,), (4,)]
    assert rows(duckdb_target, "select name from raw_other_db.things where id = 2") == [("TWO",)]


@pytest.mark.parametrize(
    "begin",
    ["2024-01-01T11:00", date(2024, 1, 1), datetime(2024, 1, 1, 10, 30)],  # noqa: DTZ001
)
def test_a_first_load_begins_where_it_is_told(
    things: str, duckdb_target: Target, begin: object
) -> None:
    run(things, "insert into things values (4, 'four', 4, '2023-12-31 23:59:59')")
    since = cursor("updated_at", initial_value=begin)
    result = load_table(duckdb_target, things, columns=THINGS, cursor=since)
    expected = 3 if type(begin) is date else 2
    assert counts(result) == [("things", expected, expected, 0, 0)]


def test_a_late_commit_is_caught_by_the_lag(things: str, duckdb_target: Target) -> None:
    by_cursor(duckdb_target, things, lag=3600)
    late = "insert into things values (5, 'late', 5, '2024-01-01 10:30:00')"
    run(things, late)
    result = by_cursor(duckdb_target, things, lag=3600)
    assert counts(result) == [("things", 4, 1, 3, 0)]
    run(things, "insert into things values (6, 'too late', 6, '2024-01-01 09:00:00')")
    assert counts(by_cursor(duckdb_target, things, lag=3600)) == [("things", 4, 0, 4, 0)]


def test_rows_without_a_cursor_are_loaded_and_told_of(things: str, duckdb_target: Target) -> None:
    run(things, "insert into things values (7, 'timeless', 7, null)")
    result = by_cursor(duckdb_target, things)
    assert counts(result) == [("things", 4, 4, 0, 0)]
    assert result.notices == (
        "other_db.things: 1 rows have no updated_at; they are read anew with every load.",
    )


def test_a_cursor_that_goes_back_is_told_and_never_followed(
    things: str, duckdb_target: Target
) -> None:
    by_cursor(duckdb_target, things)
    run(things, "update things set updated_at = '2023-06-01 00:00:00'")
    result = by_cursor(duckdb_target, things)
    assert "or updated_at went backwards" in " ".join(result.notices)
    run(things, "insert into things values (8, 'new', 8, '2024-01-01 11:00:01')")
    assert counts(by_cursor(duckdb_target, things)) == [("things", 1, 1, 0, 0)]


@pytest.mark.parametrize("page_size", [1, 3])
def test_pages_behind_the_last_key_give_the_same(
    things: str, duckdb_target: Target, page_size: int
) -> None:
    assert counts(by_cursor(duckdb_target, things, page_size=page_size)) == [("things", 3, 3, 0, 0)]
    run(things, "insert into things values (0, 'nought', 0, '2024-01-03 00:00:00')")
    assert counts(by_cursor(duckdb_target, things, page_size=page_size)) == [("things", 3, 1, 2, 0)]
    assert rows(duckdb_target, KEYS) == [(0,), (1,), (2,), (3,)]


def test_a_query_is_read_in_place_of_a_table(things: str, duckdb_target: Target) -> None:
    run(things, "create table other (id integer primary key, kind varchar(20))")
    run(things, "insert into other values (1, 'a%b'), (2, 'b:c')")
    joined = (
        "select t.id, t.name, o.kind, t.updated_at from things t join other o on o.id = t.id "
        "where o.kind like '%' and o.kind <> ':x'"
    )
    shape = columns(id="bigint", updated_at="timestamp")
    changed = cursor("updated_at")
    result = load_table(duckdb_target, things, query=joined, columns=shape, cursor=changed)
    assert counts(result) == [("things", 2, 2, 0, 0)]
    kinds = rows(duckdb_target, "select kind from raw_other_db.things order by id")
    assert kinds == [("a%b",), ("b:c",)]


def test_quoted_and_unicode_names_arrive(database: str, duckdb_target: Target) -> None:
    quote = "`" if "mysql" in database else '"'
    name = f"{quote}größe der Bestellung{quote}"
    percent = f"{quote}100% Sure{quote}"
    place = f"{quote}Order Lines{quote}"
    run(database, f"create table {place} (id integer primary key, {name} integer, {percent} text)")
    run(database, f"insert into {place} values (1, 5, 'naïve — 日本 ''x''')")
    shape = columns(id="bigint")
    result = load_table(duckdb_target, database, "lines", source_table="Order Lines", columns=shape)
    assert counts(result) == [("lines", 1, 1, 0, 0)]
    with duckdb_target.connect() as connection:
        found = connection.columns("raw_other_db", "lines")
    assert len(found) == 4
    assert "naïve — 日本 'x'" in rows(duckdb_target, "select * from raw_other_db.lines")[0]


def test_two_hundred_columns_arrive(database: str, duckdb_target: Target) -> None:
    names = [f"c{number}" for number in range(199)]
    run(database, f"create table wide (id integer primary key, {' integer, '.join(names)} integer)")
    run(database, f"insert into wide values (1, {', '.join(map(str, range(199)))})")
    shape = columns(id="bigint", **dict.fromkeys(names[:100], "bigint"))
    assert counts(load_table(duckdb_target, database, "wide", columns=shape)) == [
        ("wide", 1, 1, 0, 0)
    ]
    found = rows(duckdb_target, "select c0, c99, c100, c198 from raw_other_db.wide")
    assert found == [(0, 99, "100", "198")]


def test_an_empty_table_is_made_and_stays_empty(database: str, duckdb_target: Target) -> None:
    run(database, CREATE)
    assert counts(load_table(duckdb_target, database, columns=THINGS)) == []
    assert rows(duckdb_target, "select count(*) from raw_other_db.things") == [(0,)]


def test_a_table_that_is_not_there_is_named_with_those_that_are(
    things: str, duckdb_target: Target
) -> None:
    with pytest.raises(SourceRefused, match=r"No table named 'thongs'.*Tables there: things"):
        load_table(duckdb_target, things, "thongs", columns=THINGS)


def test_several_tables_are_read_side_by_side(things: str, duckdb_target: Target) -> None:
    from loaders.readers.database import table

    run(things, CREATE.replace("things", "others"), FILL.replace("things", "others"))
    found = load_tables(
        duckdb_target,
        lambda: [table(name, things, key="id", columns=THINGS) for name in ("things", "others")],
    )
    assert sorted(counts(found)) == [("others", 3, 3, 0, 0), ("things", 3, 3, 0, 0)]


def test_a_source_that_is_away_can_be_retried(duckdb_target: Target) -> None:
    url = "postgresql://nobody:secret@127.0.0.1:1/nothing"
    with pytest.raises(SourceUnreachable) as caught:
        load_table(duckdb_target, url, columns=THINGS)
    assert caught.value.retryable
    assert "secret" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("page_size", [None, 2])
def test_names_in_camel_case_are_read_and_swept_as_any_other(
    database: str, target: Target, page_size: int | None
) -> None:
    q = "`" if "mysql" in database else '"'
    names = [f"{q}{name}{q}" for name in ("orderId", "lineNo", "updatedAt", "takenAt", "Order")]
    order_id, line, updated, taken, reserved = names
    run(
        database,
        f"create table {q}orderLines{q} ({order_id} integer, {line} integer, {updated} timestamp "
        f"null, {taken} timestamp null, {reserved} integer, primary key ({order_id}, {line}))",
        f"insert into {q}orderLines{q} values (1, 1, '2024-01-01 10:00:00', null, 5), "
        "(1, 2, '2024-01-02 10:00:00', null, 6), (2, 1, '2024-01-03 10:00:00', null, 7)",
    )
    options: dict[str, Any] = {
        "name": "lines",
        "source_table": "orderLines",
        "key": ("orderId", "lineNo"),
        "columns": columns(
            orderId="bigint", lineNo="bigint", updatedAt="timestamp", Order="bigint"
        ),
        "cursor": cursor("updatedAt"),
        "page_size": page_size,
    }
    assert counts(load_table(target, database, **options)) == [("lines", 3, 3, 0, 0)]
    run(
        database,
        f"update {q}orderLines{q} set {reserved} = 9, {updated} = '2024-02-01 10:00:00' "
        f"where {order_id} = 2",
        f"delete from {q}orderLines{q} where {line} = 2",
    )
    swept = load_table(target, database, sweep_deletes=True, **options)
    assert [(t.loaded, t.rejected) for t in swept.tables] == [(2, 0)]
    found = 'select order_id, line_no, "order", _deleted_at is null from raw_other_db.lines'
    assert rows(target, f"{found} order by 1, 2") == [
        (1, 1, 5, True),
        (1, 2, 6, False),
        (2, 1, 9, True),
    ]
    options |= {"cursor": None, "taken_at": "takenAt"}
    load_table(target, database, **options)
    assert counts(load_table(target, database, **options)) == []
