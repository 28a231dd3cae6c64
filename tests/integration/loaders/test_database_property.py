"""Whatever a database holds, each row is loaded, collapsed or rejected: nothing is lost."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loaders.columns import columns
from loaders.cursor import cursor
from loaders.warehouse import Target
from tests.integration.loaders.databases import load_table, rows
from tests.integration.loaders.examples import LOADS

DECLARED = columns(id="bigint", name="text", share="double", paid_at="timestamp", doc="json")
VALUES = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
    | st.binary(max_size=4)
    | st.sampled_from(["2026-01-31 10:00:00", "infinity", '{"a": [1]}', '{"a": NaN}', "1.5", "a\0"])
)
KEYS = st.integers(0, 6) | VALUES
ROWS = st.lists(st.tuples(KEYS, *[VALUES] * 5), min_size=1, max_size=12)


@pytest.mark.slow
@LOADS
@given(
    found=ROWS,
    batch_size=st.sampled_from([1, 3, 1_000]),
    page_size=st.sampled_from([None, 1, 2, 3]),
    is_dated=st.booleans(),
    key=st.sampled_from(["bigint", "text"]),
    place=st.sampled_from(["things", "seen"]),
)
def test_rows_of_a_database_without_types_are_accounted_for(
    found: list[tuple[Any, ...]],
    batch_size: int,
    page_size: int | None,
    key: str,
    place: str,
    *,
    is_dated: bool,
) -> None:
    with TemporaryDirectory() as folder:
        os.environ["TIDEMILL_VAR"] = folder
        path = Path(folder) / "source.sqlite"
        with sqlite3.connect(path) as connection:
            connection.execute("create table things (id, name, share, paid_at, doc, extra)")
            connection.executemany("insert into things values (?, ?, ?, ?, ?, ?)", found)
            connection.execute("create view seen as select * from things where 1 = 1")
        target = Target(name="duckdb", kind="duckdb", path=Path(folder) / "warehouse.duckdb")
        options: dict[str, Any] = {
            "columns": DECLARED | columns(id=key),
            "batch_size": batch_size,
            "page_size": page_size,
            "source_table": place,
        }
        options |= {"cursor": cursor("paid_at")} if is_dated else {}
        for number in range(2):
            result = load_table(target, f"sqlite:///{path}", **options)
            (table,) = result.tables
            assert table.read == table.loaded + table.collapsed + table.rejected
            assert table.collapsed >= 0
            assert number or table.read == len(found)
        count = "select count(*), count(distinct id) from raw_other_db.things"
        there, distinct = rows(target, count)[0]
        assert there == distinct
