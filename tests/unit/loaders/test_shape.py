"""A value that would have to be rounded or cut to have its declared type does not pass."""

from __future__ import annotations

import duckdb
import pytest

from loaders.shape import Shape

FIT = [
    ("bigint", "5.0", "5"),
    ("decimal(18,2)", "19.9", "19.90"),
    ("decimal(18,2)", "1.1000000", "1.10"),
    ("decimal(18,2)", "1e2", "100.00"),
    ("decimal(18,2)", "19.990000000000002", "19.99"),
    ("decimal(38,10)", "12345678901234567890.123456789", "12345678901234567890.1234567890"),
    ("date", "2010-1-1", "2010-01-01"),
    ("date", " 2010-01-01 00:00:00 ", "2010-01-01"),
    ("date", "0079-10-24", "0079-10-24"),
    ("timestamptz", "2026-01-01T10:00:00+02:00", "2026-01-01 08:00:00+00"),
]
MISFITS = [
    ("bigint", "1.5"),
    ("decimal(18,2)", "1.005"),
    ("decimal(18,2)", "0.001"),
    ("decimal(18,2)", "12,50"),
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
