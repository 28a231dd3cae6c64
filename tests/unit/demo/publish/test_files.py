"""Event files come by the hour in three formats, change shape on day 3, and one is rewritten."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING

import duckdb

from demo.shop import Shop
from demo.truth import truth
from tests.unit.demo.outside import file_rows

if TYPE_CHECKING:
    from pathlib import Path

# DuckDB 1.5 makes null of a timestamptz that it cannot read, without a reject.
COLUMNS = (
    "{'event_id': 'text', 'user_id': 'bigint', 'event_type': 'text', 'page_url': 'text', "
    "'product_id': 'bigint', 'occurred_at': 'timestamp'}"
)


def test_each_day_has_24_files_in_three_formats(third_day: Path) -> None:
    names = Counter(
        (path.parent.name, path.name.split(".", 1)[1])
        for path in (third_day / "files").rglob("events-*")
    )
    assert names == {
        (f"day=2026-01-0{day}", extension): 8
        for day in (1, 2, 3)
        for extension in ("csv.gz", "jsonl.gz", "parquet")
    }


def test_duckdb_rejects_the_broken_csv_lines_and_no_others(first_day: Path) -> None:
    good = bad = 0
    for path in sorted((first_day / "files/events").glob("*/*.csv.gz")):
        with duckdb.connect() as connection:
            rows = connection.execute(
                f"select * from read_csv('{path}', columns = {COLUMNS}, auto_detect = false, "
                "header = true, delim = ',', quote = '\"', escape = '\"', store_rejects = true)"
            ).fetchall()
            lines = connection.sql("select distinct line from reject_errors").fetchall()
            good, bad = good + len(rows), bad + len(lines)
    with truth(first_day, 1) as expected:
        counts = expected.sql(
            "select count(*) filter (outcome is distinct from 'reject'), "
            "count(*) filter (outcome = 'reject') from fate.events where format = 'csv'"
        ).fetchone()
    assert (good, bad) == counts


def test_files_have_a_device_from_day_three(third_day: Path) -> None:
    rows = file_rows(third_day)
    assert rows["files/events/day=2026-01-02/events-00.csv.gz"][0].endswith(b"occurred_at")
    assert rows["files/events/day=2026-01-03/events-00.csv.gz"][0].endswith(b"occurred_at,device")
    assert len(rows["files/events/day=2026-01-02/events-02.parquet"][0]) == 6
    assert len(rows["files/events/day=2026-01-03/events-02.parquet"][0]) == 7


def test_one_file_of_the_day_before_is_rewritten(first_day: Path, tmp_path: Path) -> None:
    shutil.copytree(first_day, tmp_path / "shop")
    Shop(tmp_path / "shop", scale=0.1).advance()
    before, after = file_rows(first_day), file_rows(tmp_path / "shop")
    changed = [name for name, lines in before.items() if lines != after[name]]
    assert changed == ["files/events/day=2026-01-01/events-06.csv.gz"]
    old, new = set(before[changed[0]]), set(after[changed[0]])
    assert (len(old - new) > 0, len(new - old) > 0, len(old & new) > 0) == (True, True, True)
