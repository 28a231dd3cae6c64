"""A replay that is killed anywhere has happened or it has not, and what arrives meanwhile stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from loaders.load import load
from loaders.replay import replay
from loaders.warehouse import Target
from tests.faults.replay_child import corner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

POINTS = [
    ("judging", 2),
    ("waiting", 1),
    ("waiting", 3),
    ("storing", 1),
    ("committing", 1),
    ("committed", 1),
]
BAD = 40
"""Rejects that pass once amounts are decimals; one in five of them never does."""


def rejects() -> Iterator[dict[str, Any]]:
    for number in range(BAD):
        yield {"id": number, "amount": "much" if number % 5 == 0 else f"{number}.5"}


def found(target: Target) -> tuple[list[Any], list[Any]]:
    """Return the raw rows and the ids of the rows that are still open."""
    with target.connect() as connection:
        raw = connection.execute(
            "select id, amount from raw_corner.sales where _dlt_load_id in "
            "(select load_id from raw_corner._dlt_loads where status = 0) order by id, amount"
        ).fetchall()
        left = connection.execute(
            "select position from raw_corner._rejects order by cast(position as bigint)"
        ).fetchall()
    return raw, [int(position) for (position,) in left]


@pytest.mark.parametrize(("point", "count"), POINTS)
def test_nothing_is_lost_and_nothing_doubled(target: Target, point: str, count: int) -> None:
    load(corner([{"id": 1000, "amount": "1"}, *rejects()]), target=target)
    before = found(target)
    assert [len(part) for part in before] == [1, BAD]
    place = str(target.path or target.dsn)
    child = [sys.executable, "-m", "tests.faults.replay_child", target.kind, place]
    ended = subprocess.run([*child, point, str(count)], check=False, env=dict(os.environ))
    assert ended.returncode == -signal.SIGKILL
    if point != "committed":
        assert found(target) == before
    meanwhile = [{"id": 1001, "amount": "2"}, {"id": 7, "amount": "9"}]
    load(corner(meanwhile, "decimal(18, 2)"), target=target)
    again = replay(corner([], "decimal(18, 2)"), target=target)
    raw, left = found(target)
    never = [number for number in range(BAD) if number % 5 == 0]
    assert [row[0] for row in raw] == sorted({*range(BAD), 1000, 1001} - {*never})
    assert dict(raw)[7] == 9  # it arrived meanwhile, and is newer
    superseded = [] if point == "committed" else [7]
    assert left == sorted([*never, *superseded])
    assert sum(count.rejected for count in again) == len(never)


@pytest.fixture(params=["duckdb", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    """An empty warehouse of each kind."""
    if request.param == "duckdb":
        return Target(name="duckdb", kind="duckdb", path=tmp_path / "warehouse.duckdb")
    return Target(name="postgres", kind="postgres", dsn=request.getfixturevalue("postgres"))
