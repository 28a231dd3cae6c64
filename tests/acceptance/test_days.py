"""Three days of the demo shop, the first of them twice, end exactly as the shop's truth says."""

from __future__ import annotations

import csv
import gzip
import io
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from loaders.warehouse import Target
from tests.acceptance.command import ROOT, Tidemill
from tests.acceptance.days import Snapshot, expected, look, ordered, tables
from tests.acceptance.holding import assert_counts, assert_crm, assert_marts, assert_reasons

if TYPE_CHECKING:
    from collections.abc import Callable

both = pytest.mark.parametrize("kind", ["duckdb", "postgres"])
each_day = pytest.mark.parametrize("day", ["day 1", "day 2", "day 3"])
ARRIVAL = re.compile(r"_|valid_from|valid_to|user_version_id|processed_at")
"""Columns that tell when something was seen here, which no two warehouses share."""
DAYS = {"day 1": (), "day 1 again": ("--same-day",), "day 2": (), "day 3": ()}
"""The runs, and what is added to `tidemill demo`."""


class Story:
    """The runs on one warehouse, each looked at right after it."""

    def __init__(self, tidemill: Tidemill, target: Target, scale: float) -> None:
        self.tidemill, self.target, self.scale = tidemill, target, scale
        self.after: dict[str, Snapshot] = {}
        self.runs: dict[str, Any] = {}
        self.truths: dict[str, Any] = {}
        self.error: AssertionError | None = None

    def unfold(self) -> None:
        """Let it all happen, unless it has; what failed once fails for everyone who asks."""
        if not self.runs and not self.error:
            try:
                self._unfold(("--target", self.target.name))
            except AssertionError as error:
                self.error = error
        if self.error:
            raise self.error

    def _unfold(self, common: tuple[str, ...]) -> None:
        for name, flags in DAYS.items():
            self.tidemill.well("demo", *common, "--scale", f"{self.scale}", *flags)
            self.after[name] = self.look()
            if name == "day 1 again":
                self.tidemill.well("transform", *common)
                self.after["day 1 built again"] = self.look()
        answer = self.tidemill.answer("status", *common)
        daily = [run for run in answer["runs"] if run["job"] == "daily"]
        self.runs = dict(zip(DAYS, reversed(daily), strict=True))
        shop = self.tidemill.var / "shop"
        self.truths = {f"day {day}": expected(shop, day) for day in range(1, len(DAYS))}

    def look(self) -> Snapshot:
        return look(self.target, var=self.tidemill.var, shop=self.tidemill.var / "shop")


Tell = "Callable[..., Story]"


@pytest.fixture(scope="module")
def story(
    postgres_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, float], Story]:
    """Give the story of a kind of warehouse and a scale; each is told once, even a failing one."""

    @cache
    def begun(kind: str, scale: float) -> Story:
        var = tmp_path_factory.mktemp(kind) / "var"
        variables, target = {}, Target(name=kind, kind=kind, path=var / "warehouse.duckdb")
        if kind == "postgres":
            dsn = _fresh(postgres_server, f"story_{int(scale * 100)}")
            variables, target = (
                {"TIDEMILL_POSTGRES_DSN": dsn},
                Target(name=kind, kind=kind, dsn=dsn),
            )
        return Story(Tidemill(var=var, variables=variables), target, scale)

    def tell(kind: str, scale: float = 0.2) -> Story:
        story = begun(kind, scale)
        story.unfold()
        return story

    return tell


def _fresh(server: str, name: str) -> str:
    connection = psycopg2.connect(server)
    connection.autocommit = True
    connection.cursor().execute(f"create database {name}")
    connection.close()
    return server.replace("/postgres?", f"/{name}?")


@both
@each_day
def test_every_mart_is_the_truth_row_for_row(story: Tell, kind: str, day: str) -> None:
    assert_marts(story(kind).after[day], story(kind).truths[day])


@both
@each_day
def test_every_count_is_the_truth(story: Tell, kind: str, day: str) -> None:
    assert_counts(story(kind).after[day], story(kind).truths[day])


@both
@each_day
def test_what_is_quarantined_says_why(story: Tell, kind: str, day: str) -> None:
    assert_reasons(story(kind).after[day], story(kind).truths[day])


@both
@each_day
def test_the_crm_holds_what_it_should(story: Tell, kind: str, day: str) -> None:
    assert_crm(story(kind).after[day], story(kind).truths[day])


@both
@each_day
def test_the_exported_file_is_the_daily_sales(story: Tell, kind: str, day: str) -> None:
    columns, rows = story(kind).truths[day]["agg_daily_sales"]
    text = gzip.decompress(story(kind).after[day].exported).decode()
    found = [tuple(row[name] for name in columns) for row in csv.DictReader(io.StringIO(text))]
    assert ordered(found) == ordered([tuple(map(str, row)) for row in rows])


@both
def test_the_same_day_again_changes_nothing(story: Tell, kind: str) -> None:
    after, run = story(kind).after, story(kind).runs["day 1 again"]
    assert run["status"] == "completed"
    assert sum(table["loaded"] + table["rejected"] for table in run["tables"]) == 0
    assert after["day 1 again"].fingerprint() == after["day 1"].fingerprint()
    assert after["day 1 built again"].fingerprint() == after["day 1"].fingerprint()
    assert after["day 1 again"].exported == after["day 1"].exported


@both
def test_the_same_day_again_sends_nothing_that_was_taken(story: Tell, kind: str) -> None:
    after, run = story(kind).after, story(kind).runs["day 1 again"]
    applied = [[row[:4] for row in after[name].crm] for name in ("day 1", "day 1 again")]
    assert applied[0] == applied[1]
    sent = {row["output"]: row["successful"] for row in run["deliveries"]}
    assert sent == {"crm_users": 0, "sales_files": 0}


@both
@pytest.mark.parametrize("day", DAYS)
def test_the_accounting_adds_up(story: Tell, kind: str, day: str) -> None:
    run = story(kind).runs[day]
    for table in run["tables"]:
        assert table["read"] == table["loaded"] + table["collapsed"] + table["rejected"], table
    assert run["records_processed"] == sum(table["read"] for table in run["tables"])
    assert run["records_rejected"] == sum(table["rejected"] for table in run["tables"])


@both
def test_every_row_that_a_run_loaded_stands_in_the_warehouse(story: Tell, kind: str) -> None:
    first, run = story(kind).after["day 1"], story(kind).runs["day 1"]
    loaded = {(table["source"], table["table"]): table["loaded"] for table in run["tables"]}
    assert len(loaded) == 6
    assert loaded == {key: len(first.rows(f"raw_{key[0]}.{key[1]}")) for key in loaded}


def test_both_warehouses_end_with_the_same_marts(story: Tell) -> None:
    ours = _but_arrival(story("duckdb").after["day 3"])
    theirs = _but_arrival(story("postgres").after["day 3"])
    assert ours.keys() == theirs.keys()
    for name, rows in ours.items():
        assert rows == theirs[name], name


def test_readers_see_the_marts_in_the_published_file(story: Tell) -> None:
    path = story("duckdb").tidemill.var / "published.duckdb"
    published = tables(Target(name="published", kind="duckdb", path=path))
    held = story("duckdb").after["day 3"].tables
    readable = [
        name
        for name in held
        if name.startswith(("marts.", "quarantine.", "outputs.")) or name.endswith("._rejects")
    ]
    assert {name: rows for name, (_, rows) in published.items()} == {
        name: held[name][1] for name in readable
    }


@pytest.mark.slow
@both
def test_at_full_scale_everything_is_the_truth(story: Tell, kind: str) -> None:
    told = story(kind, 1.0)
    for day, truth in told.truths.items():
        assert_marts(told.after[day], truth)
        assert_counts(told.after[day], truth)
        assert_crm(told.after[day], truth)
    assert told.after["day 1 again"].fingerprint() == told.after["day 1"].fingerprint()


@pytest.mark.slow
def test_the_readme_shows_what_a_first_run_shows(story: Tell) -> None:
    run = story("duckdb", 1.0).runs["day 1"]
    counts = ("source", "table", "read", "loaded", "collapsed", "rejected")
    items = ("output", "successful", "failed", "skipped")
    real = [[row[name] for name in counts] for row in run["tables"]]
    real += [[*[row[name] for name in items], len(row["files"])] for row in run["deliveries"]]
    readme = (ROOT / "README.md").read_text()
    told = [line.replace(",", "").split() for line in readme.splitlines()]
    assert [row for row in real if [str(cell) for cell in row] not in told] == []


def _but_arrival(snapshot: Snapshot) -> dict[str, Any]:
    marts = {n: names for n, (names, _) in snapshot.tables.items() if n.startswith("marts.")}
    return {
        name: snapshot.rows(name, sorted(n for n in names if not ARRIVAL.match(n)))
        for name, names in marts.items()
    }
