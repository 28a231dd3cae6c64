"""What a load tells of rows that are new, there already, or of an earlier load."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loaders.columns import columns
from loaders.cursor import cursor
from tests.integration.loaders.databases import counts, load_table, load_tables, run

if TYPE_CHECKING:
    from pathlib import Path

    from loaders.warehouse import Target

THINGS = columns(id="bigint", amount="bigint", updated_at="timestamp")


@pytest.fixture
def things(tmp_path: Path) -> str:
    """A table of one row."""
    url = f"sqlite:///{tmp_path / 'source.sqlite'}"
    run(url, "create table things (id integer, amount, updated_at text)")
    run(url, "insert into things values (1, 5, '2026-01-01 10:00:00')")
    return url


def changed(target: Target, url: str, **options: object) -> object:
    return load_table(target, url, columns=THINGS, cursor=cursor("updated_at"), **options)


def test_rows_that_are_there_already_are_counted_though_no_package_is_made(
    things: str, duckdb_target: Target
) -> None:
    assert counts(changed(duckdb_target, things)) == [("things", 1, 1, 0, 0)]
    idle = changed(duckdb_target, things)
    assert counts(idle) == [("things", 1, 0, 1, 0)]
    assert idle.load_ids == ()
    run(things, "insert into things values (2, 'many', '2026-01-01 11:00:00')")
    assert counts(changed(duckdb_target, things)) == [("things", 2, 0, 1, 1)]
    assert counts(changed(duckdb_target, things)) == [("things", 2, 0, 2, 0)]


def test_rows_of_a_load_that_nobody_recorded_are_told_as_such(
    things: str, duckdb_target: Target
) -> None:
    from loaders.readers.database import table

    def load(**options: object) -> object:
        tables = [table("things", things, key="id", columns=THINGS, cursor=cursor("updated_at"))]
        return load_tables(duckdb_target, lambda: tables, **options)

    first = load()
    assert not any("earlier" in notice for notice in first.notices)
    again = load(is_recorded=lambda _: False)
    assert counts(again) == [("things", 1, 1, 0, 0), ("things", 1, 0, 1, 0)]
    (told,) = (notice for notice in again.notices if "earlier" in notice)
    assert told.startswith("other_db: 1 rows of an earlier load (")
    recorded = load(is_recorded=lambda load_id: load_id in first.load_ids)
    assert counts(recorded) == [("things", 1, 0, 1, 0)]
    assert recorded.notices == ()
