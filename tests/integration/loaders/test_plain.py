"""Resources that declare no columns are typed by dlt, and their rows are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dlt
import duckdb
import pyarrow as pa
import pytest

from loaders.columns import columns
from loaders.drift import EVOLVE
from loaders.errors import LoaderError
from loaders.load import load

if TYPE_CHECKING:
    from loaders.warehouse import Target


def people() -> Any:
    """Three rows of two keys, one of them nested."""
    yield {"id": 1, "name": "Ann", "tags": ["x", "y"]}
    yield [{"id": 2, "name": "Bob"}, {"id": 2, "name": "Bert"}]


def counted(target: Target, *resources: Any) -> dict[str, tuple[int, int, int, int]]:
    """Load a source of some resources; return read, loaded, collapsed, rejected of its tables."""

    @dlt.source(name="plain")
    def plain() -> Any:
        return resources

    found = load(plain(), target=target).tables
    return {one.table: (one.read, one.loaded, one.collapsed, one.rejected) for one in found}


def test_dicts_are_counted_and_typed_by_dlt(target: Target) -> None:
    each = dlt.resource(people, name="allPeople")
    keyed = dlt.resource(people, name="keyed", primary_key="id", write_disposition="merge")
    expected = {"all_people": (3, 3, 0, 0), "keyed": (3, 2, 1, 0)}
    assert counted(target, each, keyed) == expected
    assert counted(target, each, keyed) == expected
    with target.connect() as connection:
        assert connection.scalar("select sum(id) from raw_plain.all_people") == 10
        assert connection.scalar("select count(*) from raw_plain.all_people__tags") == 4


def test_arrow_tables_know_their_load(target: Target) -> None:
    page = pa.table({"id": [1, 2], "share": [0.5, 1.5]})
    pages = [page, page.to_batches()[0]]
    rows = dlt.resource(pages, name="rows")
    assert counted(target, rows) == {"rows": (4, 4, 0, 0)}
    together = dlt.resource(lambda: iter([pages]), name="rows")
    assert counted(target, together) == {"rows": (4, 4, 0, 0)}
    with target.connect() as connection:
        assert connection.scalar("select count(distinct _dlt_load_id) from raw_plain.rows") == 2


def test_whatever_hands_out_arrow_is_a_table(duckdb_target: Target) -> None:
    def pages() -> Any:
        relation = duckdb.sql("select range as id from range(3)")
        yield relation.to_arrow_table().to_reader()
        yield [relation, relation]

    declared = columns(id="bigint")
    plain, gated = dlt.resource(pages, name="plain"), dlt.resource(pages, columns=declared)
    expected = {"plain": (9, 9, 0, 0), "pages": (9, 9, 0, 0)}
    assert counted(duckdb_target, plain, gated) == expected
    with duckdb_target.connect() as connection:
        sums = [connection.scalar(f"select sum(id) from raw_plain.{name}") for name in expected]
    assert sums == [9, 9]


def test_frames_of_polars_and_pandas(duckdb_target: Target) -> None:
    polars, pandas = pytest.importorskip("polars"), pytest.importorskip("pandas")
    frame = polars.DataFrame({"id": [1, 2], "name": ["Ann", None]})

    def pages() -> Any:
        yield frame
        yield [frame.lazy(), frame]
        yield pandas.DataFrame({"id": [1, 2], "name": ["Ann", None]}, index=[7, 8])

    declared = columns(id="bigint", name="text")
    plain, gated = dlt.resource(pages, name="plain"), dlt.resource(pages, columns=declared)
    expected = {"plain": (8, 8, 0, 0), "pages": (8, 8, 0, 0)}
    assert counted(duckdb_target, plain, gated) == expected


def test_a_source_may_have_a_thousand_tables_and_more(duckdb_target: Target) -> None:
    names = [f"t{number}" for number in range(1_200)]
    empty = [dlt.resource(iter(()), name=name) for name in names]
    assert counted(duckdb_target, *empty, dlt.resource([{"id": 1}], name="last")) == {
        "last": (1, 1, 0, 0)
    }


def test_a_table_that_is_named_by_its_rows(duckdb_target: Target) -> None:
    rows = [{"kind": "paid", "id": 1}, {"kind": "sent", "id": 2}, {"kind": "sent", "id": 3}]
    events = dlt.resource(iter(rows), name="events", table_name=lambda row: row["kind"])
    assert counted(duckdb_target, events) == {"paid": (1, 1, 0, 0), "sent": (2, 2, 0, 0)}


def test_rows_that_a_cursor_leaves_out_are_there_already(duckdb_target: Target) -> None:
    def since(first: int) -> Any:
        since_first = dlt.sources.incremental("at", initial_value=first)

        @dlt.resource(name=f"since_{first}")
        def dated(at: Any = since_first) -> Any:
            yield [{"id": 1, "at": 1}, {"id": 2, "at": 2}]

        return dated

    beside = dlt.resource([{"id": 1}], name="beside")
    assert counted(duckdb_target, since(0), since(9), beside) == {
        "since_0": (2, 2, 0, 0),
        "since_9": (2, 0, 2, 0),  # dlt makes no such table
        "beside": (1, 1, 0, 0),
    }
    assert counted(duckdb_target, since(0)) == {"since_0": (2, 0, 2, 0)}


def test_a_pydantic_model_is_told_what_to_name(duckdb_target: Target) -> None:
    from pydantic import BaseModel

    class Person(BaseModel):
        id: int
        name: str

    row = [{"id": 1, "name": "Ann"}]
    with pytest.raises(LoaderError, match="Pydantic model"):
        counted(duckdb_target, dlt.resource(row, name="people", columns=Person))
    evolving = dlt.resource(row, name="people", columns=Person, schema_contract=EVOLVE)
    assert counted(duckdb_target, evolving) == {"people": (1, 1, 0, 0)}
