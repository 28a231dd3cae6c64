"""What has come since a build is told from the loads that brought something."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loaders.warehouse import Target
from orchestration import audit
from orchestration.errors import ModelsFailed, NothingBuilt

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    """Two sources: one of two committed loads and one that was cut off, one of one load."""
    if request.param == "duckdb":
        made = Target(name="duckdb", kind="duckdb", path=tmp_path / "warehouse.duckdb")
    else:
        dsn = request.getfixturevalue("postgres")
        made = Target(name="postgres", kind="postgres", dsn=dsn)
    loads = {"shop": [("1.5", 0), ("2.5", 0), ("3.5", 1)], "queue": [("1.7", 0)]}
    with made.connect() as connection:
        for source, rows in loads.items():
            connection.execute(f"create schema raw_{source}")
            connection.execute(f"create table raw_{source}._dlt_loads (load_id text, status int)")
            for load_id, status in rows:
                connection.execute(
                    f"insert into raw_{source}._dlt_loads values (?, ?)", [load_id, status]
                )
    return made


def test_only_committed_loads_count(warehouse: Target) -> None:
    assert audit.loads(warehouse) == {"queue": "1.7", "shop": "2.5"}


@pytest.mark.parametrize(
    ("since", "idle", "expected"),
    [
        ({"queue": "1.7", "shop": "2.5"}, set(), set()),
        ({"queue": "1.7", "shop": "1.5"}, set(), {"shop"}),
        ({"queue": "1.7", "shop": "1.5"}, {"shop 2.5"}, set()),
        ({"queue": "1.7", "shop": "1.5"}, {"queue 2.5"}, {"shop"}),
        ({"queue": "1.7"}, {"shop 2.5"}, {"shop"}),
        ({"queue": "1.7"}, {"shop 1.5", "shop 2.5"}, set()),
    ],
)
def test_loads_that_brought_nothing_change_nothing(
    warehouse: Target, since: dict[str, str], idle: set[str], expected: set[str]
) -> None:
    assert audit.changed(warehouse, since, idle) == expected


def build(warehouse: Target, run_id: str, error: Exception | None = None) -> list[tuple[str, str]]:
    """Build one selection, well or not, and return the marks that are left."""
    try:
        with audit.pending(warehouse, "users", run_id):
            if error:
                raise error
    except ModelsFailed:
        pass
    return audit.marks(warehouse)


def test_a_build_that_could_not_begin_leaves_the_marks_as_they_were(warehouse: Target) -> None:
    assert build(warehouse, "first", NothingBuilt("no such model")) == []
    assert build(warehouse, "second", ModelsFailed("a test failed")) == [("users", "second")]
    assert build(warehouse, "third", NothingBuilt("no such model")) == [("users", "third")]
    assert build(warehouse, "fourth") == []
