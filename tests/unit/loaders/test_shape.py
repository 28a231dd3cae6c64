"""A value that would have to be rounded or cut to have its declared type does not pass."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders.shape import Shape

FIT = [
    ("bigint", "5.0", "5"),
    ("decimal(18,2)", "19.9", "19.90"),
    ("decimal(18,2)", "1.1000000", "1.10"),
    ("decimal(18,2)", "1e2", "100.00"),
    ("decimal(18,2)", "19.990000000000002", "19.99"),
    ("decimal(38,10)", "12345678901234567890.123456789", "12345678901234567890.1234567890"),
    ("decimal(18,2)", "1000.0000000001588", "1000.00"),
    ("decimal(18,2)", "5000000000", "5000000000.00"),
    ("decimal(18,2)", " +5000000000.1 ", "5000000000.10"),
    ("decimal(18,2)", "5e10", "50000000000.00"),
    ("decimal(38,2)", "12345678901234567.120", "12345678901234567.12"),
    ("double", "-Infinity", "-inf"),
    ("boolean", "1", "true"),
    ("date", "2010-1-1", "2010-01-01"),
    ("date", " 2010-01-01 00:00:00 ", "2010-01-01"),
    ("date", "0079-10-24", "0079-10-24"),
    ("timestamptz", "2026-01-01T10:00:00+02:00", "2026-01-01 08:00:00+00"),
    ("timestamptz", "2026-01-01T10:00Z", "2026-01-01 10:00:00+00"),
    ("timestamptz", "2026-01-01 10:00-05:00", "2026-01-01 15:00:00+00"),
    ("timestamptz", "2026-01-01T10:00+0200", "2026-01-01 08:00:00+00"),
]
MISFITS = [
    ("bigint", "1.5"),
    ("decimal(18,2)", "1.005"),
    ("decimal(18,2)", "0.001"),
    ("decimal(18,2)", "12,50"),
    ("decimal(18,2)", "1234567890123.005"),
    ("decimal(18,0)", "999999999999.99"),
    ("decimal(38,2)", "12345678901234567.125"),
    ("double", "1e999"),
    ("boolean", "2"),
    ("date", "2010-01-01T05:00:00"),
    ("date", "2010-01-01x"),
    ("date", "05-01-20"),
    ("timestamptz", "05-01-20 10:00:00"),
    ("timestamptz", "infinity"),
]


def cast(kind: str, arrived: str) -> str | None:
    expression = Shape(table="t", types={"it": kind}, key=()).cast("it", {"it": "arrived"})
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        sql = f"select ({expression})::varchar from (select ?::varchar as arrived)"
        found: str | None = connection.execute(sql, [arrived]).fetchall()[0][0]
        return found


@pytest.mark.parametrize(("kind", "arrived", "value"), FIT)
def test_what_fits_is_kept_whole(kind: str, arrived: str, value: str) -> None:
    assert cast(kind, arrived) == value


@pytest.mark.parametrize(("kind", "arrived"), MISFITS)
def test_what_would_be_rounded_or_cut_does_not_pass(kind: str, arrived: str) -> None:
    assert cast(kind, arrived) is None


def test_a_number_is_no_boolean_however_it_arrives() -> None:
    shape = Shape(table="t", types={"it": "boolean"}, key=(), typed=frozenset({"it"}))
    sql = f"select {shape.cast('it', {'it': 'arrived'})} from (values (0), (1), (2)) t(arrived)"
    assert duckdb.execute(sql).fetchall() == [(False,), (True,), (None,)]


@pytest.mark.parametrize(
    ("unit", "arrived"),
    [
        ("seconds", "1767225600.25"),
        ("milliseconds", "1767225600250"),
        ("microseconds", "1767225600250000"),
    ],
)
def test_a_number_since_1970_is_an_instant(unit: str, arrived: str) -> None:
    shape = Shape(table="t", types={"it": "timestamptz"}, key=(), formats={"it": unit})
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        value = shape.cast("it", {"it": "arrived"})
        sql = f"select ({value})::varchar from (values (?), ('1e99')) t(arrived)"
        found = connection.execute(sql, [arrived]).fetchall()
    assert found == [("2026-01-01 00:00:00.25+00",), (None,)]


NOTHING = ["", "N/A", "it's none"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([*NOTHING, None, "1", "1.5", " ", "n/a"]) | st.text(max_size=4)))
def test_each_text_is_nothing_or_a_value_or_has_a_reason(texts: list[str | None]) -> None:
    shape = Shape(table="t", types={"it": "bigint"}, key=(), nulls={"it": NOTHING})
    fields = {"it": "arrived"}
    with duckdb.connect() as connection:
        found = connection.execute(
            f"select arrived, {shape.cast('it', fields)}, {shape.reason(fields)} "
            "from (select unnest(?::varchar[]) as arrived)",
            [texts],
        ).fetchall()
    assert [row[0] for row in found] == texts
    for arrived, value, reason in found:
        is_nothing = arrived is None or arrived in NOTHING
        assert (value is None) == (is_nothing or reason != "")
        assert not (is_nothing and reason)
