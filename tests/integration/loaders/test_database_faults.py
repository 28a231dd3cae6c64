"""A database dies half way, a backfill is killed: nothing is lost, nothing doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from loaders.columns import columns
from loaders.cursor import cursor
from loaders.errors import SourceUnreachable
from loaders.readers import database_pages
from loaders.readers.database_link import Link
from tests.integration.loaders.databases import counts, load_table, rows, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loaders.warehouse import Target

pytestmark = pytest.mark.slow

THINGS = columns(id="bigint", name="text", updated_at="timestamp")
CREATE = "create table things (id integer primary key, name varchar(50), updated_at timestamp null)"
EXACT = "select count(*), count(distinct id) from raw_other_db.things"


@pytest.fixture
def things(database: str) -> str:
    """A table of thirty rows."""
    values = ", ".join(f"({n}, 'n{n}', '2024-01-{n:02} 10:00:00')" for n in range(1, 31))
    run(database, CREATE, f"insert into things values {values}")
    return database


def dying(after: int) -> Callable[..., Iterator[Any]]:
    """Return reads whose connection is lost, once, behind so many batches."""
    batches = Link.batches
    left = [after]

    def read(self: Link, sql: str, batch_size: int) -> Iterator[Any]:
        for batch in batches(self, sql, batch_size):
            if "things" in sql:
                left[0] -= 1
                if left[0] == -1:
                    raise SourceUnreachable("The connection was lost.")
            yield batch

    return read


def test_a_source_that_dies_half_way_is_read_again_from_the_last_commit(
    things: str, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"columns": THINGS, "cursor": cursor("updated_at"), "batch_size": 7}
    load_table(target, things, **options)
    run(things, "update things set name = 'new', updated_at = '2024-02-01 00:00:00' where id > 5")
    monkeypatch.setattr(Link, "batches", dying(after=2))
    with pytest.raises(SourceUnreachable):
        load_table(target, things, **options)
    assert rows(target, "select count(*) from raw_other_db.things where name = 'new'") == [(0,)]
    load_table(target, things, **options)
    assert rows(target, "select count(*) from raw_other_db.things where name = 'new'") == [(25,)]
    assert rows(target, EXACT) == [(30, 30)]


@pytest.mark.parametrize(
    ("at_the_end", "told"),
    [
        ("pg_terminate_backend(pg_backend_pid())::text", "terminating connection"),
        ("(1 / (n - 200000))::text", "division by zero"),
    ],
)
def test_a_server_that_breaks_off_in_mid_read_can_be_tried_again(
    postgres: str, duckdb_target: Target, at_the_end: str, told: str
) -> None:
    query = (
        f"select n as id, case when n = 200000 then {at_the_end} else repeat('x', 99) end as name "
        "from generate_series(1, 200001) n"
    )
    with pytest.raises(SourceUnreachable, match=told):
        load_table(duckdb_target, postgres, columns=columns(id="bigint", name="text"), query=query)


def test_pages_go_on_behind_the_last_key_when_the_source_comes_back(
    things: str, duckdb_target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_pages, "WAITS", (0.01,))
    monkeypatch.setattr(Link, "batches", dying(after=3))
    result = load_table(duckdb_target, things, columns=THINGS, page_size=7)
    assert counts(result) == [("things", 30, 30, 0, 0)]
    assert rows(duckdb_target, EXACT) == [(30, 30)]


def test_what_changes_between_two_pages_is_left_for_the_next_load(
    things: str, duckdb_target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = Link.batches
    seen = []

    def read(self: Link, sql: str, batch_size: int) -> Iterator[Any]:
        if "limit" in sql:
            seen.append(sql)
        if len(seen) == 2:
            run(things, "update things set updated_at = '2024-03-01 00:00:00' where id in (1, 29)")
        yield from batches(self, sql, batch_size)

    options: dict[str, Any] = {"columns": THINGS, "cursor": cursor("updated_at"), "page_size": 10}
    with monkeypatch.context() as patch:
        patch.setattr(Link, "batches", read)
        assert counts(load_table(duckdb_target, things, **options)) == [("things", 29, 29, 0, 0)]
    assert counts(load_table(duckdb_target, things, **options)) == [("things", 3, 2, 1, 0)]
    sql = "select count(*) from raw_other_db.things where updated_at = '2024-03-01T00:00:00Z'"
    assert rows(duckdb_target, sql) == [(2,)]
    assert rows(duckdb_target, EXACT) == [(30, 30)]


@pytest.mark.parametrize("stage", ["before the commit", "after the commit"])
def test_a_killed_backfill_loses_one_window_at_most(
    duckdb_target: Target, tmp_path: Path, stage: str
) -> None:
    path = tmp_path / "past.sqlite"
    values = ", ".join(f"({n}, 'n', '2023-0{n}-01 00:00:00')" for n in range(1, 4))
    run(f"sqlite:///{path}", CREATE.replace("things", "orders"), _shop_tables())
    run(f"sqlite:///{path}", f"insert into orders (id, name, updated_at) values {values}")
    environment = {
        **os.environ,
        "SOURCES__SHOP_DB__URL": f"sqlite:///{path}",
        "TIDEMILL_VAR": str(tmp_path),
    }
    command = [sys.executable, "-c", CHILD, str(duckdb_target.path), stage]
    root = Path(__file__).parents[3]
    first = subprocess.run(command, env=environment, cwd=root, check=False, capture_output=True)
    assert first.returncode == -signal.SIGKILL, first.stderr.decode()
    command[-1] = "never"
    subprocess.run(command, env=environment, cwd=root, check=True, capture_output=True)
    found = rows(duckdb_target, "select count(*), count(distinct id) from raw_shop_db.orders")
    assert found == [(3, 3)]
    windows = "select status, count(*) from tidemill.backfill group by status"
    assert rows(duckdb_target, windows) == [("done", 3)]


def _shop_tables() -> str:
    return "alter table orders add column deleted_at timestamp null"


CHILD = """
import os, signal, sys
from pathlib import Path
import loaders.backfill as b, loaders.load as l
from loaders.warehouse import Target
from loaders.windows import moment, windows
target = Target(name="duckdb", kind="duckdb", path=Path(sys.argv[1]))
module, name = (l, "_run") if sys.argv[2] == "before the commit" else (b, "_record")
seen, real = [], getattr(module, name)
def die(*given):
    seen.append(1)
    if len(seen) == 2 and sys.argv[2] != "never":
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*given)
setattr(module, name, die)
cut = windows(moment("2023-01-01"), moment("2023-04-01"), "1month")
list(b.backfill(b.Plan(source="shop_db", table="orders", windows=cut), target=target))
"""
