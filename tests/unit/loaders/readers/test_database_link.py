"""A value's text does not depend on the batch that it comes in."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders.readers.database_link import Link
from loaders.readers.database_values import array

DUCKDB = duckdb.connect()
VALUES = st.one_of(
    st.none(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    st.booleans(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 1, 1)),  # noqa: DTZ001
    st.dates(),
)


def texts(values: list[object]) -> list[str | None]:
    """Return a column's values as the warehouse would hold them as text."""
    import pyarrow as pa

    page = pa.table({"value": array(values)})
    DUCKDB.register("page", page)
    return [row[0] for row in DUCKDB.execute("select value::varchar from page").fetchall()]


@settings(deadline=None)
@given(values=st.lists(VALUES, min_size=1, max_size=5))
def test_a_value_has_the_same_text_alone_and_among_others(values: list[object]) -> None:
    alone = [texts([value])[0] for value in values]
    assert texts(values) == alone


def test_values_keep_their_types_where_they_agree() -> None:
    kinds = {
        "int64": [1, None],
        "double": [1.5],
        "bool": [True],
        "date32[day]": [date(2024, 1, 1)],
        "timestamp[us]": [datetime(2024, 1, 1)],  # noqa: DTZ001  as drivers give it
        "string": [Decimal("1.50"), Decimal(2)],
    }
    for kind, values in kinds.items():
        assert str(array(values).type) == kind


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite://", ("datetime(at)", "else '2024-01-01 11:00:00' end")),
        ("postgresql://localhost/x", ("at", "timestamp '2024-01-01 11:00:00'")),
        ("mysql://localhost/x", ("at", "'2024-01-01 11:00:00'")),
    ],
)
def test_a_cursor_is_compared_in_the_sources_time_zone(url: str, expected: tuple[str, str]) -> None:
    moment = datetime(2024, 1, 1, 10, tzinfo=UTC) + timedelta(0)
    left, right = Link(url, "Europe/Berlin").since("at", moment, has_zone=False)
    assert left.replace('"', "").replace("`", "") == expected[0]
    assert right.endswith(expected[1])


def test_names_and_texts_are_quoted_as_the_database_wants_them() -> None:
    link = Link("postgresql://localhost/x")
    assert link.quoted('100% "sure"') == '"100% ""sure"""'
    assert link.relation("shop.Order Lines") == '"shop"."Order Lines"'
    assert link.literal("it's 5% :x") == "'it''s 5% :x'"
    assert Link("mysql://localhost/x").literal("a\\b") == "'a\\\\b'"
