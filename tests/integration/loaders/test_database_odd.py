"""Values as odd as databases hold them arrive as they are, or are set aside: one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
import sqlalchemy as sa

from loaders.columns import columns
from loaders.readers.database_link import with_driver
from tests.integration.loaders.databases import counts, load_table, rows, run
from tests.integration.loaders.outputs.mariadb import fresh_database

if TYPE_CHECKING:
    from pathlib import Path

    from loaders.warehouse import Target

pytestmark = pytest.mark.slow

ASIDE: Final = None
"""The row is rejected."""
Cases = list[tuple[str, str, dict[str, str | None]]]
"""A column's type in the source, how it is declared, and what becomes of values written in SQL."""

POSTGRES: Final[Cases] = [
    (
        "timestamp",
        "date",
        {"'2024-01-01'": "2024-01-01", "'2024-01-01 10:00'": ASIDE, "'infinity'": ASIDE},
    ),
    (
        "timestamptz",
        "date",
        {"'2024-01-01 00:00+00'": "2024-01-01", "'2024-01-01 00:00+02'": ASIDE},
    ),
    ("date", "timestamp", {"'2024-01-01'": "2024-01-01 00:00:00+00", "'5874897-12-31'": ASIDE}),
    ("date", "text", {"'infinity'": "infinity", "'-infinity'": "-infinity"}),
    ("timestamp", "text", {"'infinity'": "infinity", "'2024-01-01 10:00'": "2024-01-01 10:00:00"}),
    ("timestamptz", "text", {"'-infinity'": "-infinity"}),
    ("timestamp", "timestamp", {"'9999-12-31 23:59:59.999999'": "9999-12-31 23:59:59.999999+00"}),
    (
        "numeric",
        "decimal(18, 2)",
        {"12.340": "12.34", "12.345": ASIDE, "1000000000000.001": ASIDE, "'NaN'": ASIDE},
    ),
    ("numeric(38,10)", "decimal(38, 10)", {"0.0000000001": "0.0000000001"}),
    ("numeric", "bigint", {"12.00": "12", "12.5": ASIDE, "9223372036854775808": ASIDE}),
    ("real", "decimal(18, 2)", {"0.1": "0.10", "0.125": ASIDE}),
    ("real", "text", {"0.1": "0.1"}),
    ("smallint", "boolean", {"1": "true", "2": ASIDE}),
    ("time", "text", {"'24:00'": "24:00:00"}),
    ("timetz", "text", {"'10:00+05:30'": "10:00:00+05:30"}),
    ("bytea", "text", {r"'\x00ff'": r"\x00ff"}),
    ("text", "text", {"' '": " ", "''": "", "'a'' \"%: 日本 😀'": "a' \"%: 日本 😀"}),
    ("json", "json", {r"""'{"a": "\ud800"}'""": ASIDE, """'{"b":1.50}'""": '{"b":1.50}'}),
]
MARIADB: Final[Cases] = [
    ("date", "date", {"'0000-00-00'": ASIDE, "'1000-01-01'": "1000-01-01"}),
    ("date", "text", {"'2024-02-30'": "0000-00-00"}),  # which is what the server made of it
    ("datetime(6)", "timestamp", {"'2024-02-00 10:00'": ASIDE}),
    ("datetime", "date", {"'2024-01-01'": "2024-01-01", "'2024-01-01 10:00'": ASIDE}),
    ("time(1)", "text", {"'838:59:59.5'": "838:59:59.5", "'-00:00:01'": "-00:00:01.0"}),
    ("float", "double", {"4194305.5": "4194305.5"}),
    ("float", "text", {"0.1": "0.1"}),
    ("float", "decimal(18, 2)", {"0.1": "0.10"}),
    ("decimal(65,30)", "text", {"1e-30": "0.000000000000000000000000000001"}),
    ("decimal(20,4)", "decimal(20, 2)", {"1e12 + 0.001": ASIDE, "1.5": "1.50"}),
    ("bigint unsigned", "decimal(20, 0)", {"18446744073709551615": "18446744073709551615"}),
    ("bigint unsigned", "bigint", {"9223372036854775807": "9223372036854775807", "~0": ASIDE}),
    ("tinyint(1)", "boolean", {"0": "false", "5": ASIDE}),
    ("bit(64)", "text", {"~0": "18446744073709551615"}),
    ("enum('a','ç')", "text", {"'ç'": "ç", "'none'": ""}),
    ("varchar(9) character set latin1", "text", {"'é ÿ'": "é ÿ"}),
    ("text", "text", {"'😀'": "😀"}),
]
SQLITE: Final[Cases] = [
    ("integer", "bigint", {"'12'": "12", "'abc'": ASIDE, "1.5": ASIDE}),
    ("", "decimal(18, 2)", {"19.990000000000002": "19.99", "'1.005'": ASIDE, "'much'": ASIDE}),
    (
        "date",
        "date",
        {"'2024-01-01'": "2024-01-01", "'2024-01-01 10:00'": ASIDE, "20240101": ASIDE},
    ),
    ("boolean", "boolean", {"1": "true", "2": ASIDE, "'yes'": "true"}),
    ("", "text", {"1e16": "1e+16", "x'00ff'": r"\x00ff", "cast(x'e9ff' as text)": r"\xe9ff"}),
    ("", "bigint", {"9223372036854775807": "9223372036854775807", "9223372036854775808": ASIDE}),
]


def check(url: str, target: Target, cases: Cases, before: str) -> None:
    """Load a table with a column for each case and a row for each value; compare each."""
    values = [
        (number, written, expected)
        for number, (_, _, found) in enumerate(cases)
        for written, expected in found.items()
    ]
    made = ", ".join(f"c{number} {kind}" for number, (kind, _, _) in enumerate(cases))
    engine = sa.create_engine(with_driver(sa.make_url(url)), poolclass=sa.NullPool)
    with engine.begin() as connection:
        for sql in (
            before,
            f"create table things (id integer primary key, {made})",
            *(
                f"insert into things (id, c{number}) values ({at}, {written})"
                for at, (number, written, _) in enumerate(values)
            ),
        ):
            connection.execution_options(no_parameters=True).exec_driver_sql(sql)
    shape = columns(
        id="bigint", **{f"c{number}": kind for number, (_, kind, _) in enumerate(cases)}
    )
    for batch_size in (200_000, 1):
        load_table(target, url, columns=shape, batch_size=batch_size)
        found: dict[int, Any] = {
            at: value
            for number in range(len(cases))
            for at, value in rows(
                target,
                f"select id, cast(c{number} as text) from raw_other_db.things "
                f"where c{number} is not null",
            )
        }
        refused = rows(target, "select position, reason from raw_other_db._rejects")
        found.update({int(position): ASIDE for position, _ in refused})
        told = {value[:2]: found.get(at, "lost") for at, value in enumerate(values)}
        assert told == {value[:2]: value[2] for value in values}


def test_of_postgresql(postgres: str, target: Target) -> None:
    check(postgres, target, POSTGRES, "select 1")


def test_of_mariadb(mariadb_server: str, target: Target) -> None:
    url = fresh_database(mariadb_server)
    check(url, target, MARIADB, "set sql_mode = ''")


def test_of_sqlite(target: Target, tmp_path: Path) -> None:
    check(f"sqlite:///{tmp_path / 'odd.sqlite'}", target, SQLITE, "select 1")


def test_values_of_megabytes_and_columns_that_are_null_for_long(
    duckdb_target: Target, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'fat.sqlite'}"
    numbers = "with recursive n(id) as (select 1 union all select id + 1 from n where id < 3000)"
    run(
        url,
        "create table things (id integer primary key, fat blob, late)",
        f"{numbers} insert into things select id, null, case id when 2000 then 7 when 2500 "
        "then 'x' when 3000 then 1.5 end from n",
        "update things set fat = zeroblob(20000000) where id = 1500",
    )
    result = load_table(duckdb_target, url, columns=columns(id="bigint", fat="text", late="text"))
    assert counts(result) == [("things", 3000, 3000, 0, 0)]
    found = (
        "select id, length(fat), late from raw_other_db.things where id in (1500, 2000, 2500, 3000)"
    )
    assert rows(duckdb_target, f"{found} order by id") == [
        (1500, 40_000_002, None),
        (2000, None, "7"),
        (2500, None, "x"),
        (3000, None, "1.5"),
    ]
