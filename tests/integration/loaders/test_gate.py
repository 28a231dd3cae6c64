"""Whatever rows come, each of them is loaded, collapsed or rejected: nothing is lost."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import dlt
import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders.columns import columns
from loaders.dispositions import REPLACE_KEYS
from loaders.load import load
from loaders.shape import Shape
from loaders.warehouse import Target
from tests.integration.loaders.examples import LOADS

DECLARED = columns(
    id="bigint",
    name="text",
    share="double",
    is_paid="boolean",
    paid_at="timestamp",
    due_on="date",
    amount="decimal(18, 2)",
    details="json",
)
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.sampled_from(["1", " 7 ", "1.5", "1e3", "2026-01-31", "31/12/2026", "NaN", "", "true"])
    | st.datetimes().map(str)
    | st.dates().map(str)
    | st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str)
)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2)
)
NAMES = st.sampled_from([*DECLARED, "Extra Column", "extra", 'quo"ted', "naïve", "id"])
ROWS = st.lists(st.dictionaries(NAMES, VALUES, max_size=9), min_size=1, max_size=12)
PAGES = st.lists(ROWS, min_size=1, max_size=3)
ARROW = st.sampled_from(
    [
        pa.int8(),
        pa.int64(),
        pa.uint64(),
        pa.float32(),
        pa.float64(),
        pa.bool_(),
        pa.string(),
        pa.large_string(),
        pa.binary(),
        pa.date32(),
        pa.timestamp("ns"),
        pa.timestamp("s", tz="UTC"),
        pa.timestamp("us", tz="Europe/Berlin"),
        pa.time64("us"),
        pa.duration("ms"),
        pa.decimal128(20, 3),
        pa.list_(pa.int32()),
        pa.struct([("a", pa.int32())]),
        pa.dictionary(pa.int32(), pa.string()),
        pa.null(),
    ]
)


@st.composite
def tables(draw: Any) -> pa.Table:
    """An Arrow table with columns of any type under the declared names."""
    count = draw(st.integers(1, 6))
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    made = {}
    for name in names:
        kind = draw(ARROW)
        numbers = draw(st.lists(st.none() | st.integers(0, 100), min_size=count, max_size=count))
        made[name] = pa.array([_value(number, kind) for number in numbers], kind)
    return pa.table(made)


def _value(number: int | None, kind: pa.DataType) -> Any:
    """A value of an Arrow type, told by a number."""
    if number is None or pa.types.is_null(kind):
        return None
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return str(number)
    made = {"binary": bytes([255, number]), "bool": number % 2 == 0, "list<item: int32>": [number]}
    if str(kind).startswith("struct"):
        return {"a": number}
    return made.get(str(kind), pa.scalar(number, pa.int32()).cast(_stored(kind)).as_py())


def _stored(kind: pa.DataType) -> pa.DataType:
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return kind if is_number or pa.types.is_date32(kind) else pa.int32()


def loaded(pages: list[Any], key: str | None, dsn: str = "") -> None:
    """Load pages into a fresh DuckDB, or PostgreSQL; hold every count against what is there."""
    name = f"anything_{uuid4().hex[:8]}"
    with TemporaryDirectory() as folder:
        os.environ["TIDEMILL_VAR"] = folder
        target = Target(name="duckdb", kind="duckdb", path=Path(folder) / "warehouse.duckdb")
        if dsn:
            target = Target(name="postgres", kind="postgres", dsn=dsn)

        @dlt.source(name=name)
        def anything() -> Any:
            return dlt.resource(
                pages,
                name="rows",
                primary_key=key,
                columns=DECLARED,
                write_disposition=REPLACE_KEYS if key else "append",
            )

        result = load(anything(), target=target)
        read = sum(len(page) for page in pages)
        (table,) = [one for one in result.tables if one.table == "rows"]
        assert table.read == read
        assert table.read == table.loaded + table.collapsed + table.rejected
        with target.connect() as connection:
            count = f"select count(*) from raw_{name}"
            assert connection.scalar(f"{count}.rows") == table.loaded
            assert connection.scalar(f"{count}._rejects") == table.rejected
            distinct = f"select count(distinct id) from raw_{name}.rows"
            if key:
                assert connection.scalar(distinct) == table.loaded


@pytest.mark.slow
@LOADS
@given(PAGES)
def test_rows_of_any_json_are_accounted_for(pages: list[list[dict[str, Any]]]) -> None:
    loaded(pages, "id")


@pytest.mark.slow
@LOADS
@given(st.lists(tables(), min_size=1, max_size=3))
def test_rows_of_any_arrow_type_are_accounted_for(pages: list[pa.Table]) -> None:
    loaded(pages, "id")


@pytest.mark.slow
@LOADS
@given(PAGES)
def test_rows_of_any_json_are_accounted_for_on_postgres(
    postgres: str, pages: list[list[dict[str, Any]]]
) -> None:
    loaded(pages, "id", postgres)


ODD = (
    {"name": "a\0b"},
    {"extra": "a\0b"},
    {"other\0": "1"},
    {"details": {"a": "x\0"}},
    {"details": '{"a": [NaN]}'},
    {"details": '{"a": 1e999}'},
    {"paid_at": "infinity"},
    {"due_on": "4800-01-01 (BC)"},
    {"share": "inf"},
    {"name": "\ud800"},
    {"n" * 80: 1, "n" * 80 + "b": 2},
)


def test_what_a_warehouse_has_no_place_for_is_set_aside(target: Target) -> None:
    pages = [[{"id": number, **row} for number, row in enumerate(ODD)]]
    loaded(pages, "id", target.dsn or "")


SHAPE = Shape(
    table="rows",
    types={"id": "bigint", "amount": "decimal(18, 2)", "paid_at": "timestamptz", "on": "date"},
    key=("id",),
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.tuples(*[st.none() | st.text(max_size=20)] * 4), min_size=1, max_size=20))
def test_each_text_passes_or_has_a_reason_and_what_passes_keeps_its_value(
    rows: list[tuple[str | None, ...]],
) -> None:
    fields = {name: f'"{name}"' for name in SHAPE.types}
    page = pa.table(
        {name: pa.array([row[n] for row in rows], pa.string()) for n, name in enumerate(fields)}
    )
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("page", page)
        counts = connection.execute(
            f"select count(*) filter ({SHAPE.reason(fields)} = ''), "
            f"count(*) filter ({SHAPE.reason(fields)} <> '') from page"
        ).fetchone()
        kept = connection.execute(
            f"select count(*) from (select {SHAPE.good(fields, load_id='1')} from page "
            f"where {SHAPE.reason(fields)} = '') where id is null"
        ).fetchone()
    assert counts
    assert sum(counts) == len(rows)
    assert kept == (0,)
