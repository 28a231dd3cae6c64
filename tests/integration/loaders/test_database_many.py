"""Many tables of one source are read side by side, and none minds the others."""

from __future__ import annotations

import time
from threading import Barrier, get_ident
from typing import TYPE_CHECKING, Any

from dlt import Pipeline
from dlt.extract import Incremental

from loaders.columns import columns
from loaders.cursor import cursor
from loaders.readers.database import table
from loaders.readers.database_link import Link
from tests.integration.loaders.databases import counts, load_tables, run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from loaders.warehouse import Target


def test_tables_ask_the_warehouse_side_by_side(
    duckdb_target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'many.sqlite'}"
    names = [f"t{number}" for number in range(8)]
    for name in names:
        run(url, f"create table {name} (id, v)", f"insert into {name} values (1, 1), (2, 2)")
    clients = Pipeline._get_destination_clients  # which takes long now and then

    def slow(*args: Any, **options: Any) -> Any:
        time.sleep(0.02)
        return clients(*args, **options)

    monkeypatch.setattr(Pipeline, "_get_destination_clients", slow)
    shape = columns(id="bigint", v="bigint")

    def resources() -> Any:
        options: Any = {"key": "id", "columns": shape, "sweep_deletes": True}
        return [table(name, url, cursor=cursor("v"), **options) for name in names]

    first = load_tables(duckdb_target, resources)
    assert sorted(counts(first)) == [(name, 2, 2, 0, 0) for name in names]
    for name in names:
        run(url, f"update {name} set v = 0 where id = 2")
    again = load_tables(duckdb_target, resources)
    assert sorted(counts(again)) == [(name, 1, 1, 0, 0) for name in names]


def test_two_tables_are_read_at_the_same_time(
    duckdb_target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'many.sqlite'}"
    names = ["t1", "t2", "t3", "t4"]
    for name in names:
        run(url, f"create table {name} (id, v)", f"insert into {name} values (1, 1)")
    batches, both = Link.batches, Barrier(2, timeout=20)

    def together(link: Link, sql: str, batch_size: int) -> Any:
        both.wait()  # breaks, and the load with it, where no other comes
        return batches(link, sql, batch_size)

    monkeypatch.setattr(Link, "batches", together)
    shape = columns(id="bigint", v="bigint")
    found = load_tables(
        duckdb_target,
        lambda: [table(name, url, key="id", columns=shape) for name in names],
    )
    assert sorted(counts(found)) == [(name, 1, 1, 0, 0) for name in names]


def test_a_cursor_moves_in_the_thread_that_its_rows_pass(
    duckdb_target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'many.sqlite'}"
    for name in ("t1", "t2"):
        run(url, f"create table {name} (id, v)", f"insert into {name} values (1, 1), ('x', 2)")
    moved, advance = set(), Incremental.advance

    def seen(cursor: Any, value: Any) -> Any:
        moved.add(get_ident())
        return advance(cursor, value)

    monkeypatch.setattr(Incremental, "advance", seen)
    shape = columns(id="bigint", v="bigint")
    options: Any = {"key": "id", "columns": shape}
    load_tables(
        duckdb_target,
        lambda: [table("t1", url, cursor=cursor("v"), **options), table("t2", url, **options)],
    )
    # dlt's own step, through which the rows go, writes to the cursor as well: beside it, the old
    # value might stand in the end
    assert moved == {get_ident()}
