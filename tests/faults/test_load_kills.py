"""A load that is killed anywhere and run again ends as one that nobody disturbed."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from loaders.warehouse import Target

if TYPE_CHECKING:
    from collections.abc import Sequence

CHILD = Path(__file__).with_name("load_child.py")
POINTS = [
    ("extract", 1),
    ("extract", 3),
    ("normalize", 1),
    ("normalized, not deleted", 2),
    ("normalized, half deleted", 2),
    ("load", 1),
    ("job begins", 2),
    ("job done, not marked", 1),
    ("job done, not marked", 3),
    ("job done, not marked", 4),
    ("job marked, not moved", 1),
    ("job marked, not moved", 4),
    ("job marked, not moved", 7),
    ("committed, not marked", 1),
    ("marked, not moved", 1),
    ("committed, not counted", 1),
]


class Victim:
    """A folder, a database and a warehouse."""

    def __init__(self, path: Path, target: Target) -> None:
        self.path = path
        self.target = target
        self.folder = path / "files"
        self.folder.mkdir(parents=True)
        self.database = path / "source.sqlite"
        with sqlite3.connect(self.database) as connection:
            connection.execute("create table orders (id integer, status text, updated_at text)")

    def day(self, number: int) -> None:
        """Add what one day brings: new files, a rewritten one, new and changed rows, bad ones."""
        first = number * 10
        lines = "".join(f"{first + i},Ann,{i}.50\n" for i in range(5))
        (self.folder / f"{number}a.csv").write_text(f"id,name,amount\n{lines}x,Bad,1\n")
        (self.folder / f"{number}b.csv").write_text(f"id,name,amount\n{first + 7},Bo,1\n")
        (self.folder / "again.csv").write_text(f"id,name,amount\n{first + 8},Cy,{number}\nno\n")
        with sqlite3.connect(self.database) as connection:
            moment = f"2026-01-0{number} 00:00:00"
            rows = [(first + i, "new", moment) for i in range(5)]
            connection.executemany("insert into orders values (?, ?, ?)", rows)
            connection.execute("insert into orders values ('bad', 'new', ?)", [moment])
            connection.execute(
                "update orders set status = 'changed', updated_at = ? where id = ?",
                [moment, first - 9],
            )

    def load(self, point: str = "nowhere", count: int = 1) -> int:
        """Load in a child; return its exit code."""
        path, dsn = self.target.path, self.target.dsn
        facts = {"name": self.target.name, "kind": self.target.kind, "dsn": dsn}
        target = json.dumps({**facts, "path": str(path) if path else None})
        arguments = [str(self.folder), str(self.database), target, point, str(count)]
        return subprocess.run(
            [sys.executable, str(CHILD), *arguments], check=False, timeout=120
        ).returncode

    def rows(self, table: str, columns: str) -> list[tuple[Any, ...]]:
        """Return a raw table's rows of committed loads, whichever load brought them."""
        with self.target.connect() as connection:
            return connection.execute(
                f'select {columns} from raw_victim."{table}" where _dlt_load_id in '
                "(select load_id from raw_victim._dlt_loads where status = 0) order by 1, 2, 3"
            ).fetchall()

    def state(self) -> list[list[tuple[Any, ...]]]:
        """Return everything a reader could see, but for load ids and times."""
        return [
            self.rows("sales", "id, name, amount, _file, _line"),
            self.rows("orders", "id, status, updated_at"),
            self.rows("_rejects", "reject_id, reason, payload, origin, position"),
            self.rows("_files", "path, size_bytes, count_read, count_rejected"),
        ]

    def accounts(self) -> dict[str, Sequence[int]]:
        """Return read, loaded, collapsed and rejected rows of each table over all loads."""
        sums: dict[str, list[int]] = {}
        for counts in json.loads((self.path / "recorded.json").read_text()).values():
            for table, *numbers in counts:
                before = sums.get(table, [0, 0, 0, 0])
                sums[table] = [a + b for a, b in zip(before, numbers, strict=True)]
        return sums


def target_of(kind: str, path: Path, request: pytest.FixtureRequest) -> Target:
    if kind == "duckdb":
        return Target(name="duckdb", kind="duckdb", path=path / "warehouse.duckdb")
    return Target(name="postgres", kind="postgres", dsn=request.getfixturevalue("postgres"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
@pytest.mark.parametrize(("point", "count"), POINTS)
def test_killed_and_run_again(
    kind: str,
    point: str,
    count: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setenv("TIDEMILL_VAR", str(tmp_path / "calm"))
    calm = Victim(
        tmp_path / "calm", Target(name="duckdb", kind="duckdb", path=tmp_path / "calm/w.duckdb")
    )
    for number in (1, 2):
        calm.day(number)
        assert calm.load() == 0

    monkeypatch.setenv("TIDEMILL_VAR", str(tmp_path / "hit"))
    hit = Victim(tmp_path / "hit", target_of(kind, tmp_path / "hit", request))
    hit.day(1)
    assert hit.load() == 0
    hit.day(2)
    assert hit.load(point, count) == -signal.SIGKILL
    assert hit.load() == 0
    assert hit.load() == 0

    expected = [[tuple(map(str, row)) for row in table] for table in calm.state()]
    assert [[tuple(map(str, row)) for row in table] for table in hit.state()] == expected
    loaded = {table: numbers[1] for table, numbers in hit.accounts().items()}
    expected_loaded = {table: numbers[1] for table, numbers in calm.accounts().items()}
    assert loaded == expected_loaded, (hit.path / "recorded.json").read_text()  # load by load


def test_killed_while_the_package_of_nothing_new_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMILL_VAR", str(tmp_path))
    hit = Victim(
        tmp_path / "hit", Target(name="duckdb", kind="duckdb", path=tmp_path / "warehouse.duckdb")
    )
    hit.day(1)
    with sqlite3.connect(hit.database) as connection:  # a bad row at the cursor is sent each time
        connection.execute("delete from orders where id = 'bad'")
    assert hit.load() == 0
    before = hit.state()
    assert hit.load("empty, half deleted") == -signal.SIGKILL
    assert hit.load() == 0
    assert hit.state() == before
