"""The world is the same for the same seed and day, and its sizes are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.world import TABLES, World

if TYPE_CHECKING:
    from pathlib import Path


def world(directory: Path, *, seed: int = 7, scale: float = 0.1) -> World:
    return World(directory=directory, seed=seed, scale=scale, is_strict=False)


def contents(directory: Path, *, seed: int = 7) -> dict[str, list[tuple[object, ...]]]:
    made = world(directory, seed=seed)
    made.generate(1)
    made.generate(2)
    with made.connect(2) as connection:
        return {
            table: connection.sql(f"select * from {table} where day <= 2 order by all").fetchall()
            for table in TABLES
        }


def test_a_world_follows_from_its_seed(third_day: Path, tmp_path: Path) -> None:
    known = contents(third_day / "world")
    assert contents(tmp_path / "same") == known
    other = contents(tmp_path / "other", seed=8)
    assert [table for table in TABLES if other[table] == known[table]] == []


def test_days_at_scale_one_have_known_sizes(tmp_path: Path) -> None:
    made = world(tmp_path, scale=1)
    for day in (1, 2, 3):
        made.generate(day)
    with made.connect(3) as connection:
        sizes = {
            table: connection.sql(
                f"select count(*), count(dirt) from {table} where day <= 3 "
                "group by day order by day"
            ).fetchall()
            for table in TABLES
        }
    assert sizes == {
        "users": [(2000, 32), (82, 10), (82, 10)],
        "products": [(200, 4), (11, 3), (11, 3)],
        "orders": [(5000, 28), (207, 11), (207, 11)],
        "order_items": [(11980, 25), (438, 6), (428, 6)],
        "payments": [(4800, 28), (142, 8), (139, 8)],
        "events": [(20090, 72), (2604, 26), (1047, 24)],
    }


@pytest.mark.parametrize("table", ["users", "products", "orders", "order_items"])
def test_each_day_is_updated_after_the_day_before_and_ends_in_a_tie(
    third_day: Path, table: str
) -> None:
    with world(third_day / "world").connect(3) as connection:
        days = connection.sql(f"""
            with ends as (
                select day, min(updated_at) as low, max(updated_at) as high
                from {table} where day <= 3 group by day
            )
            select
                day,
                low > coalesce(lag(high) over (order by day), timestamp '2000-01-01'),
                (select count(*) from {table} where updated_at = high),
                (select count(dirt) from {table} where updated_at = high),
            from ends order by day
        """).fetchall()
    assert days == [(1, True, 3, 0), (2, True, 3, 0), (3, True, 3, 0)]


def test_a_later_day_brings_updates_deletes_and_late_rows(third_day: Path) -> None:
    with world(third_day / "world").connect(3) as connection:
        seen = connection.sql("""
            select
                (select count(*) from orders where day = 2 and id <= 500),
                (select count(*) from orders where day = 2 and deleted_at is not null),
                (select count(*) from products where day = 2 and deleted_at is not null),
                (select count(*) from order_items where day = 2 and deleted_at is not null),
                (select count(*) from orders where day = 2 and id > 500
                    and ordered_at < timestamp '2026-01-02'),
                (select count(*) from orders as late join order_items as items
                    on items.order_id = late.id and items.day = late.day + 1
                    where late.day = 1 and items.id not in
                        (select id from order_items where day = 1)) > 0,
                (select count(*) from events where day = 2
                    and file_on = date '2026-01-02' and occurred_at < timestamp '2026-01-02') > 0,
                (select count(distinct hour) from events where day = 2
                    and file_on = date '2026-01-01'),
                (select count(*) from payments where day = 2 and kind = 'late'),
        """).fetchone()
    assert seen == (7, 1, 1, 1, 1, True, True, 1, 1)
