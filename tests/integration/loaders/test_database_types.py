"""Types of each database arrive as what they are, or as their text; misfits are set aside."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from loaders.columns import columns
from loaders.cursor import cursor
from loaders.readers.database_types import reflected
from tests.integration.loaders.databases import counts, load_table, rows, run
from tests.integration.loaders.outputs.mariadb import fresh_database

if TYPE_CHECKING:
    from pathlib import Path

    from loaders.warehouse import Target

pytestmark = pytest.mark.slow

POSTGRES = """create table things (id int primary key, small smallint, big bigint,
price numeric(18, 2), anything numeric, ratio double precision, single real, is_on boolean,
name varchar(20), padded char(4),
day date, at timestamp, at_zone timestamptz, clock time, span interval, doc jsonb, plain json,
tags text[], numbers int[], uid uuid, raw bytea, mood mood, address inet, place point,
cost money, bits bit(3), days int4range)"""
POSTGRES_ROW = """insert into things values (1, 2, 9007199254740993, 12.34, 1e30, 0.5, 1.5, true,
'', 'ab', '2024-02-29', '2024-01-01 10:00', '2024-01-01 10:00+02', '23:59:58.5', '1 day 2 hours',
'{"a": [1]}', '{"b":  2}', '{x,"y,z"}', '{1,null}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
'\\xdeadbeef', 'happy', '10.0.0.1', '(1,2)', 12.5, B'101', '[1,5)')"""
MARIADB = """create table things (id int primary key, tiny tinyint(1), big bigint unsigned,
price decimal(18, 2), ratio double, name varchar(20), day date, at datetime(6),
stamp timestamp(6) null,
clock time, spring year, doc json, raw blob, flag bit(1), mood enum('sad', 'happy'))"""
MARIADB_ROW = """insert into things values (1, 1, 18446744073709551615, 12.34, 0.5, '',
'2024-02-29',
'2024-01-01 10:00:00.123456', '2024-01-01 10:00:00', '-30:00:01', 2024, '{"a": [1]}',
x'deadbeef', b'1', 'happy')"""


def one(target: Target) -> dict[str, Any]:
    """Return the one row of the table `things`."""
    with target.connect() as connection:
        names = connection.columns("raw_other_db", "things")
        found = connection.execute("select * from raw_other_db.things").fetchall()
    assert len(found) == 1
    return dict(zip(names, found[0], strict=True))


def test_what_postgresql_has_arrives(postgres: str, duckdb_target: Target) -> None:
    run(postgres, "create type mood as enum ('sad', 'happy')", POSTGRES, POSTGRES_ROW)
    result = load_table(duckdb_target, postgres, columns=reflected(postgres, "things"))
    assert counts(result) == [("things", 1, 1, 0, 0)]
    row = one(duckdb_target)
    assert row["at"].astimezone(UTC) == datetime(2024, 1, 1, 10, tzinfo=UTC)
    assert row["at_zone"].astimezone(UTC) == datetime(2024, 1, 1, 8, tzinfo=UTC)
    assert [json.loads(row[name]) for name in ("doc", "plain", "tags", "numbers")] == [
        {"a": [1]},
        {"b": 2},
        ["x", "y,z"],
        [1, None],
    ]
    expected = {
        "small": 2,
        "big": 9007199254740993,
        "price": Decimal("12.34"),
        "anything": "1000000000000000000000000000000",
        "ratio": 0.5,
        "single": 1.5,
        "is_on": True,
        "name": "",
        "padded": "ab  ",
        "day": date(2024, 2, 29),
        "clock": "23:59:58.5",
        "span": "1 day 02:00:00",
        "uid": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "raw": "\\xdeadbeef",
        "mood": "happy",
        "address": "10.0.0.1/32",
        "place": "(1,2)",
        "cost": "$12.50",
        "bits": "101",
        "days": "[1,5)",
    }
    assert {name: row[name] for name in expected} == expected


def test_what_mariadb_has_arrives(mariadb_server: str, duckdb_target: Target) -> None:
    url = fresh_database(mariadb_server)
    run(url, "set time_zone = '+00:00'", MARIADB, MARIADB_ROW)
    shape = columns(
        id="bigint",
        tiny="boolean",
        price="decimal(18, 2)",
        day="date",
        at="timestamp",
        stamp="timestamp",
        spring="bigint",
        flag="boolean",
    )
    assert counts(load_table(duckdb_target, url, columns=shape)) == [("things", 1, 1, 0, 0)]
    row = one(duckdb_target)
    assert json.loads(row["doc"]) == {"a": [1]}
    expected = {
        "tiny": True,
        "big": "18446744073709551615",
        "price": Decimal("12.34"),
        "ratio": "0.5",
        "name": "",
        "day": date(2024, 2, 29),
        "clock": "-30:00:01",
        "spring": 2024,
        "raw": "\\xdeadbeef",
        "flag": True,
        "mood": "happy",
    }
    assert {name: row[name] for name in expected} == expected
    assert row["at"].astimezone(UTC) == datetime(2024, 1, 1, 10, 0, 0, 123456, tzinfo=UTC)


def test_wrong_types_in_sqlite_are_set_aside(duckdb_target: Target, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'loose.sqlite'}"
    run(
        url,
        "create table things (id, amount, at)",
        "insert into things values (1, 1.5, '2024-01-01'), (2, 'much', '2024-01-02'), "
        "(3, 3, 'soon'), (null, 4, null), ('5', '5.25', 1704067200), (6, x'00ff', null)",
    )
    shape = columns(id="bigint", amount="decimal(18, 2)", at="timestamp")
    result = load_table(duckdb_target, url, columns=shape)
    assert counts(result) == [("things", 6, 1, 0, 5)]
    found = rows(
        duckdb_target,
        "select position, reason from raw_other_db._rejects order by reject_id is null, reason",
    )
    reasons = sorted(reason for _, reason in found)
    assert reasons == [
        "amount: '\\x00ff' is not a decimal(18, 2)",
        "amount: 'much' is not a decimal(18, 2)",
        "at: '1704067200' is not a timestamptz",
        "at: 'soon' is not a timestamptz",
        "id is missing",
    ]
    origins = rows(duckdb_target, "select distinct origin, table_name from raw_other_db._rejects")
    assert origins == [("things", "things")]
    assert counts(load_table(duckdb_target, url, columns=shape)) == [("things", 6, 1, 5, 0)]


def test_times_that_are_infinite_are_set_aside(postgres: str, duckdb_target: Target) -> None:
    run(
        postgres,
        "create table things (id int primary key, at timestamptz, day date, price numeric)",
        "insert into things values (1, 'infinity', null, 1), (2, null, '-infinity', 1), "
        "(3, null, null, 'NaN'), (4, '0044-03-15 12:00+00 BC', '9999-12-31', 2)",
    )
    shape = columns(id="bigint", at="timestamp", day="date", price="decimal(18, 2)")
    result = load_table(duckdb_target, postgres, columns=shape)
    assert counts(result) == [("things", 4, 1, 0, 3)]


@pytest.mark.parametrize(
    ("zone", "expected"), [("UTC", [9, 10]), ("Europe/Berlin", [8, 9]), ("Asia/Tokyo", [0, 1])]
)
def test_times_without_a_zone_are_in_the_sources(
    database: str, duckdb_target: Target, zone: str, expected: list[int]
) -> None:
    kind = "datetime" if "mysql" in database else "timestamp"  # MariaDB's timestamp has a zone
    run(
        database,
        f"create table things (id integer primary key, updated_at {kind})",
        "insert into things values (1, '2024-01-15 09:00:00')",
    )
    options: dict[str, Any] = {
        "columns": columns(id="bigint", updated_at="timestamp"),
        "cursor": cursor("updated_at"),
        "time_zone": zone,
    }
    assert counts(load_table(duckdb_target, database, **options)) == [("things", 1, 1, 0, 0)]
    run(database, "insert into things values (2, '2024-01-15 10:00:00')")
    assert counts(load_table(duckdb_target, database, **options)) == [("things", 2, 1, 1, 0)]
    found = rows(duckdb_target, "select updated_at from raw_other_db.things order by id")
    assert [row[0].astimezone(UTC).hour for row in found] == expected
    assert counts(load_table(duckdb_target, database, **options)) == [("things", 1, 0, 1, 0)]
