"""A backfill loads each window once, goes on where it was stopped, and leaves daily loads alone."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import dlt
import pytest

import loaders
from loaders.backfill import Plan, Progress, backfill, listed
from loaders.columns import columns
from loaders.cursor import cursor
from loaders.errors import LoaderError, SettingMissing, SourceUnreachable
from loaders.load import load
from loaders.readers.database import table
from loaders.windows import moment, windows
from tests.integration.loaders.databases import counts, rows, run

if TYPE_CHECKING:
    from dlt.extract import DltSource

    from loaders.warehouse import Target

pytestmark = pytest.mark.slow

THINGS = columns(id="bigint", name="text", updated_at="timestamp")
CREATE = "create table things (id integer primary key, name varchar(50), updated_at timestamp null)"
YEAR = windows(moment("2023-01-01"), moment("2024-01-01"), "1month")
EXACT = "select count(*), count(distinct id) from raw_past_db.things"


@pytest.fixture
def past(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with three rows in each month of 2023, one of them at its first instant."""
    values = ", ".join(
        f"({month * 10 + number}, 'n', '2023-{month:02}-{1 + number * 9:02} 00:00:00')"
        for month in range(1, 13)
        for number in range(3)
    )
    run(database, CREATE, f"insert into things values {values}, (999, 'null', null)")

    @dlt.source(name="past_db")
    def past_db(parallel: int = 1, batch_size: int = 1000) -> Any:
        changed = cursor("updated_at")
        yield table(
            "things",
            database,
            key="id",
            columns=THINGS,
            cursor=changed,
            batch_size=batch_size,
            parallel=parallel,
        )

    monkeypatch.setitem(loaders.SOURCES, "past_db", __name__)
    monkeypatch.setitem(globals(), "past_db", past_db)
    return database


def fill(target: Target, **options: Any) -> list[Any]:
    plan = Plan(source="past_db", table="things", **{"windows": YEAR[:3], **options})
    return [counts(result) for result in backfill(plan, target=target)]


def test_each_window_is_loaded_and_committed_by_itself(past: str, duckdb_target: Target) -> None:
    assert fill(duckdb_target) == [[("things", 3, 3, 0, 0)]] * 3
    found = rows(duckdb_target, "select count(distinct _dlt_load_id) from raw_past_db.things")
    assert found == [(3,)]
    assert [row[2:4] for row in listed("past_db", "things", duckdb_target)] == [("done", 3)] * 3
    assert fill(duckdb_target) == []


def test_it_goes_on_with_the_windows_that_are_missing(past: str, target: Target) -> None:
    plan = Plan(source="past_db", table="things", windows=YEAR[:4])
    stopped = backfill(plan, target=target)
    list(islice(stopped, 2))
    stopped.close()
    told: list[Progress] = []
    rest = list(backfill(plan, target=target, on_progress=told.append))
    assert len(rest) == 2
    assert [progress.done for progress in told] == [2, 3, 4]
    assert told[0].seconds_left is None
    assert told[1].seconds_left
    assert told[2].rows == 6
    assert rows(target, EXACT) == [(12, 12)]


def test_a_window_counts_its_own_rows_and_not_those_of_a_load_killed_before(
    past: str, duckdb_target: Target
) -> None:
    plan = Plan(source="past_db", table="things", windows=YEAR[:3])
    stopped = backfill(plan, target=duckdb_target)
    list(islice(stopped, 1))
    stopped.close()  # as a kill before its counts are recorded
    found = list(backfill(plan, target=duckdb_target, is_recorded=lambda _: False))
    assert [sum(row[1] for row in counts(result)) for result in found] == [6, 3]
    assert [row[3] for row in listed("past_db", "things", duckdb_target)] == [3, 3, 3]


def test_redo_loads_a_window_again_and_changes_what_changed(
    past: str, duckdb_target: Target
) -> None:
    fill(duckdb_target)
    run(past, "update things set name = 'corrected' where id = 11")
    run(past, "insert into things values (7, 'found', '2023-01-15 00:00:00')")
    assert fill(duckdb_target, windows=YEAR[:1], redo=True) == [[("things", 4, 1, 3, 0)]]
    assert rows(duckdb_target, EXACT) == [(10, 10)]


def test_daily_loads_go_on_beside_it(past: str, duckdb_target: Target) -> None:
    source = "past_db"
    assert counts(load(source, target=duckdb_target)) == [("things", 37, 37, 0, 0)]
    run(past, "insert into things values (5, 'daily', '2024-02-01 00:00:00')")
    steps = backfill(
        Plan(source="past_db", table="things", windows=YEAR[:2], redo=True), target=duckdb_target
    )
    assert counts(next(steps)) == [("things", 3, 0, 3, 0)]
    assert counts(load(source, target=duckdb_target)) == [("things", 3, 2, 1, 0)]
    assert [counts(result) for result in steps] == [[("things", 3, 0, 3, 0)]]
    run(past, "insert into things values (6, 'daily', '2024-02-02 00:00:00')")
    assert counts(load(source, target=duckdb_target)) == [("things", 3, 2, 1, 0)]
    assert rows(duckdb_target, EXACT) == [(39, 39)]


def test_a_window_that_fails_stays_missing(
    past: str, duckdb_target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loaders.readers.database_link import Link

    plan = Plan(source="past_db", table="things", windows=YEAR[:3])
    steps = backfill(plan, target=duckdb_target)
    next(steps)

    def gone(*_: object) -> None:
        raise SourceUnreachable("The database went away.")

    with monkeypatch.context() as patch:
        patch.setattr(Link, "batches", gone)
        with pytest.raises(SourceUnreachable):
            next(steps)
    assert [row[2] for row in listed("past_db", "things", duckdb_target)] == [
        "done",
        "missing",
        "missing",
    ]
    assert fill(duckdb_target) == [[("things", 3, 3, 0, 0)]] * 2


@pytest.mark.parametrize("parallel", [2, 3])
def test_parts_of_a_window_read_at_once_give_the_same(
    past: str, duckdb_target: Target, parallel: int
) -> None:
    found = fill(duckdb_target, windows=YEAR[:2], settings={"parallel": parallel})
    assert found == [[("things", 3, 3, 0, 0)]] * 2
    assert rows(duckdb_target, EXACT) == [(6, 6)]


@pytest.mark.parametrize("kind", ["date", "bigint"])
def test_windows_are_cut_by_dates_too_and_by_nothing_that_is_no_time(
    past: str, duckdb_target: Target, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    @dlt.source(name="past_db")
    def by_another() -> Any:
        changed, shape = cursor("day"), columns(id="bigint", day=kind)
        yield table("days", past, key="id", columns=shape, cursor=changed)

    monkeypatch.setitem(globals(), "past_db", by_another)
    run(past, "create table days (id integer primary key, day date)")
    run(past, "insert into days values (1, '2023-01-31'), (2, '2023-02-01'), (3, '2023-02-28')")
    steps = backfill(Plan(source="past_db", table="days", windows=YEAR[:2]), target=duckdb_target)
    if kind == "bigint":
        with pytest.raises(LoaderError, match="'day' is declared as bigint"):
            next(steps)
        return
    assert [counts(result) for result in steps] == [[("days", 1, 1, 0, 0)], [("days", 2, 2, 0, 0)]]


def test_what_cannot_be_filled_is_told(past: str, duckdb_target: Target) -> None:
    plan = Plan(source="past_db", table="thongs", windows=YEAR)
    with pytest.raises(SettingMissing, match=r"has no table 'thongs'. It has things"):
        next(backfill(plan, target=duckdb_target))
    plan = Plan(source="past_db", table="things", windows=YEAR, settings={"bach_size": 1})
    with pytest.raises(SettingMissing, match=r"'bach_size'. It has parallel, batch_size. Make it "):
        next(backfill(plan, target=duckdb_target))


def past_db() -> DltSource:
    """Stand where the fixture puts the source."""
    raise NotImplementedError
