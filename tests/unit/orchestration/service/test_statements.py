"""Keyset pages give each row once, whatever the order, nulls and ties included."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.service import query, statements
from orchestration.service.catalog import Column, Mart


def column(name: str, kind: str, *, is_nullable: bool = True) -> Column:
    return Column(name=name, kind=kind, data_type=kind, description="", is_nullable=is_nullable)


MART = Mart(
    name="things",
    model="things",
    description="",
    key="id",
    columns=(
        column("id", "integer", is_nullable=False),
        column("a", "integer"),
        column("b", "text"),
    ),
)
ROWS = st.lists(
    st.tuples(st.none() | st.integers(-2, 2), st.none() | st.sampled_from(["", "x", "y"])),
    max_size=12,
)
SORTS = st.sampled_from(["", "a", "-a", "b,-a", "-b,a", "-id", "a,-id", "-a,-b"])


@settings(max_examples=60, deadline=None)
@given(ROWS, SORTS, st.integers(1, 5))
def test_pages_by_keyset_are_the_whole(rows: list[tuple[Any, Any]], sort: str, size: int) -> None:
    with duckdb.connect() as connection:
        connection.execute("create schema marts; use marts")
        connection.execute("create table marts.things (id bigint, a bigint, b text)")
        for number, (first, second) in enumerate(rows):
            connection.execute("insert into marts.things values (?, ?, ?)", [number, first, second])
        asked = query.ask(MART, [("sort", sort), ("cursor", ""), ("page_size", str(size))])
        whole = connection.execute(
            f"select * from marts.things order by {statements.ordered(asked.order)}"
        ).fetchall()
        assert walked(connection, asked) == whole


def walked(connection: duckdb.DuckDBPyConnection, asked: query.Ask) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    while True:
        statement = statements.rows(asked)
        page = connection.execute(statement.sql, list(statement.values)).fetchall()
        found += page[: asked.page_size]
        if len(page) <= asked.page_size:
            return found
        last = dict(zip(("id", "a", "b"), found[-1], strict=True))
        cursor = query.encoded(asked.order, last)
        asked = replace(asked, after=query.decoded(asked.order, cursor))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("number", float("nan")),
        ("number", float("-inf")),
        ("decimal", Decimal(-12345678901234567890123456789012345678)),
        ("decimal", Decimal("0.00000000000000000000000000000000000001")),
        ("text", "x" * 5000),
        ("boolean", False),
        ("timestamp", datetime.fromisoformat("2026-01-02T03:04:05.678901")),
    ],
)
def test_a_cursor_holds_any_value(kind: str, value: Any) -> None:
    order = (query.Order(column=column("a", kind)),)
    (found,) = query.decoded(order, query.encoded(order, {"a": value}))
    assert repr(found) == repr(value)
