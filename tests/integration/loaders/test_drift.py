"""Rows in a new shape widen their table, stop it, or are put aside, whatever they come from."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import dlt
import pytest
from dlt.sources.rest_api import rest_api_resources
from redis import Redis

from loaders.columns import columns
from loaders.cursor import cursor
from loaders.dispositions import REPLACE_KEYS
from loaders.drift import EVOLVE, FREEZE, QUARANTINE
from loaders.errors import TableStopped
from loaders.load import load
from loaders.readers.database import table
from loaders.readers.files import files
from loaders.readers.queue import Batch, messages
from loaders.readers.redis_stream import RedisStream
from loaders.replay import replay
from tests.integration.loaders.databases import rows, run
from tests.integration.loaders.shelf import Shelf, row

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dlt.extract import DltResource, DltSource

    from loaders.load import LoadResult
    from loaders.warehouse import Target

PLAIN = columns(id="bigint", name="text")
WIDE = columns(id="bigint", name="text", colour="text")
DATED = columns(id="bigint", name="text", updated_at="timestamp")
KINDS = (
    "files",
    *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("database", "api", "queue")),
)
CONTRACTS = pytest.mark.parametrize("contract", [FREEZE, QUARANTINE], ids=["freeze", "quarantine"])


class World:
    """One system of each kind, which holds things and may give them a colour."""

    def __init__(self, folder: Path, shelf: Shelf, redis_url: str) -> None:
        self.folder, self.shelf, self.redis_url = folder, shelf, redis_url
        self.redis = Redis.from_url(redis_url)
        self.database = f"sqlite:///{folder / 'things.sqlite'}"
        run(self.database, "create table things (id integer primary key, name text)")
        (folder / "drop").mkdir()

    def add(self, number: int, colour: str | None = None) -> None:
        """Put a thing into all four systems."""
        thing: dict[str, Any] = {"id": number, "name": f"row {number}"}
        thing |= {"colour": colour} if colour else {}
        (self.folder / "drop" / f"{number}.jsonl").write_text(json.dumps(thing))
        self.shelf.rows.append({**row(number), **thing})
        self.redis.xadd("things", thing)
        if colour:
            has = [str(one[1]) for one in self._pragma()]
            if "colour" not in has:
                run(self.database, "alter table things add column colour text")
        names, values = ", ".join(thing), ", ".join(map(repr, thing.values()))
        run(self.database, f"insert into things ({names}) values ({values})")

    def _pragma(self) -> list[Any]:
        import sqlite3

        with sqlite3.connect(self.folder / "things.sqlite") as connection:
            return connection.execute("pragma table_info(things)").fetchall()

    def source(self, kind: str, declared: Any = PLAIN, contract: Any = None) -> DltSource:
        """Return one of the systems as a source of the table `things`."""

        @dlt.source(name="world")
        def world() -> Any:
            return getattr(self, f"_{kind}")(declared, contract)

        return world()

    def _files(self, declared: Any, contract: Any) -> DltResource:
        place = str(self.folder / "drop")
        return files("things", place, columns=declared, schema_contract=contract)

    def _database(self, declared: Any, contract: Any) -> DltResource:
        return table("things", self.database, key="id", columns=declared, schema_contract=contract)

    def _queue(self, declared: Any, contract: Any) -> DltResource:
        connect = partial(RedisStream, self.redis_url, "things", "tidemill")
        batch = Batch(tries=4)
        return messages("things", connect, columns=declared, batch=batch, schema_contract=contract)

    def _api(self, declared: Any, contract: Any) -> list[DltResource]:
        things: Any = {
            "name": "things",
            "primary_key": "id",
            "write_disposition": REPLACE_KEYS,
            "columns": {**declared, **columns(updated_at="timestamp")},
            "endpoint": {"path": "rows", "data_selector": "items"},
        }
        things |= {"schema_contract": contract} if contract else {}
        client: Any = {"base_url": self.shelf.url, "paginator": "single_page"}
        return rest_api_resources({"client": client, "resources": [things]})


@pytest.fixture
def world(tmp_path: Path, redis_url: str) -> Any:
    with Shelf() as shelf:
        made = World(tmp_path, shelf, redis_url)
        yield made
        made.redis.close()


def sums(result: LoadResult) -> tuple[int, int, int, int]:
    """Return how many rows were read, loaded, collapsed and rejected."""
    parts = ("read", "loaded", "collapsed", "rejected")
    return tuple(sum(getattr(t, part) for t in result.tables) for part in parts)  # type: ignore[return-value]


def things(target: Target, names: str = "id") -> list[tuple[Any, ...]]:
    """Return rows of committed loads."""
    committed = "select load_id from raw_world._dlt_loads where status = 0"
    found = f"select {names} from raw_world.things where _dlt_load_id in ({committed})"
    return rows(target, f"{found} order by id")


@pytest.mark.parametrize("kind", KINDS)
def test_by_default_a_new_column_widens_the_table_and_is_told(
    kind: str, world: World, duckdb_target: Target
) -> None:
    world.add(1)
    load(world.source(kind), target=duckdb_target)
    world.add(2, "red")
    result = load(world.source(kind), target=duckdb_target)
    assert result.notices == ("world.things has a new column 'colour' (text).",)
    assert things(duckdb_target, "id, colour") == [(1, None), (2, "red")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_frozen_table_stops_and_goes_on_where_it_stopped(
    kind: str, world: World, duckdb_target: Target
) -> None:
    world.add(1)
    load(world.source(kind, contract=FREEZE), target=duckdb_target)
    world.add(2)
    world.add(3, "red")
    for _ in range(2):
        with pytest.raises(TableStopped, match="frozen, and its rows have more columns: colour"):
            load(world.source(kind, contract=FREEZE), target=duckdb_target)
        assert things(duckdb_target) == [(1,)]
    load(world.source(kind, WIDE, FREEZE), target=duckdb_target)
    assert things(duckdb_target, "id, colour") == [(1, None), (2, None), (3, "red")]
    assert rows(duckdb_target, "select * from raw_world._rejects") == []


@pytest.mark.parametrize("kind", KINDS)
def test_rows_with_something_in_a_new_column_go_to_the_quarantine_and_come_back(
    kind: str, world: World, duckdb_target: Target
) -> None:
    world.add(1)
    world.add(2, "red")
    world.add(3)
    result = load(world.source(kind, contract=QUARANTINE), target=duckdb_target)
    assert sums(result) == (3, 2, 0, 1)
    assert result.notices == ()
    assert things(duckdb_target) == [(1,), (3,)]
    found = rows(duckdb_target, "select table_name, reason from raw_world._rejects")
    assert found == [("things", "colour is a new column")]
    (count,) = replay(world.source(kind, contract=QUARANTINE), target=duckdb_target)
    assert (count.read, count.loaded, count.rejected) == (1, 0, 1)
    load(world.source(kind, WIDE, QUARANTINE), target=duckdb_target)
    replay(world.source(kind, WIDE, QUARANTINE), target=duckdb_target)
    assert things(duckdb_target, "id, colour") == [(1, None), (2, "red"), (3, None)]


@pytest.mark.slow
@CONTRACTS
def test_on_postgres(contract: Any, world: World, postgres: str) -> None:
    from loaders.warehouse import Target

    target = Target(name="postgres", kind="postgres", dsn=postgres)
    world.add(1)
    load(world.source("database", contract=contract), target=target)
    world.add(2, "red")
    again = partial(load, world.source("database", contract=contract), target=target)
    if contract == FREEZE:
        with pytest.raises(TableStopped):
            again()
    else:
        assert sums(again()) == (2, 1, 0, 1)
    assert things(target) == [(1,)]


@pytest.mark.slow
def test_what_the_table_took_in_before_is_not_new(world: World, duckdb_target: Target) -> None:
    world.add(1, "red")
    load(world.source("files", contract=EVOLVE), target=duckdb_target)
    world.add(2, "blue")
    load(world.source("files", contract=FREEZE), target=duckdb_target)
    assert things(duckdb_target, "id, colour") == [(1, "red"), (2, "blue")]


@pytest.mark.slow
def test_a_message_that_stops_its_table_is_never_taken_for_poison(
    world: World, duckdb_target: Target
) -> None:
    for number in range(30):
        world.add(number, "red" if number == 20 else None)
    for _ in range(9):
        with pytest.raises(TableStopped):
            load(world.source("queue", contract=FREEZE), target=duckdb_target)
    assert things(duckdb_target) == [(number,) for number in range(20)]
    assert rows(duckdb_target, "select * from raw_world._rejects") == []


def stopping(resources: Callable[[], Any], target: Target) -> TableStopped:
    """Load resources as a source; return what stopped one of its tables."""

    @dlt.source(name="world", schema_contract=FREEZE)
    def world() -> Any:
        return resources()

    with pytest.raises(TableStopped) as stopped:
        load(world(), target=target)
    return stopped.value


def test_the_rest_of_a_source_goes_on_and_its_rows_are_counted(
    tmp_path: Path, duckdb_target: Target
) -> None:
    url = f"sqlite:///{tmp_path / 'three.sqlite'}"
    for name, more in (("a", ""), ("b", ", colour text"), ("c", ", size text")):
        run(url, f"create table {name} (id integer primary key, updated_at text{more})")
        run(url, f"insert into {name} (id, updated_at) values (1, '2026-01-01 10:00:00')")
    declared = columns(id="bigint", updated_at="timestamp")

    def resources() -> Any:
        return [
            table(name, url, key="id", columns=declared, cursor=cursor("updated_at"))
            for name in ("a", "b", "c")
        ]

    stopped = stopping(resources, duckdb_target)
    assert "colour" in str(stopped)
    assert "size" in str(stopped)
    assert [(t.table, t.loaded) for t in stopped.result.tables] == [("a", 1)]
    assert rows(duckdb_target, "select count(*) from raw_world.a") == [(1,)]
    assert rows(duckdb_target, "select count(*) from raw_world.b") == [(0,)]


@pytest.mark.slow
def test_what_hangs_on_a_stopped_table_stops_with_it(duckdb_target: Target) -> None:
    with Shelf([row(number) for number in range(3)]) as shelf:

        def resources() -> Any:
            child = {"name": "children", "columns": columns(id="bigint", parent_id="bigint")}
            parent = {"name": "parents", "columns": columns(id="bigint", name="text")}
            path = {"path": "parents/{resources.parents.id}", "data_selector": "items"}
            listed = {"path": "rows", "data_selector": "items"}
            keyed = {"primary_key": "id", "write_disposition": REPLACE_KEYS}
            config: Any = {
                "client": {"base_url": shelf.url, "paginator": "single_page"},
                "resources": [
                    {**parent, **keyed, "endpoint": listed},
                    {**child, **keyed, "endpoint": path},
                ],
            }
            return rest_api_resources(config)

        assert stopping(resources, duckdb_target).result is None
    assert rows(duckdb_target, "select count(*) from raw_world.children") == [(0,)]
