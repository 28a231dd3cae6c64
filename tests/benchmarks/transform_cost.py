"""What a run of the transforms costs when 1 % is new: against a full build, and as history grows.

Run: `python tests/benchmarks/transform_cost.py [--rows 5000000] [--target duckdb|postgres]`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.integration.dbt import raw_tables, warehouses

SELECT = ("--select", "base_event_files__events", "stg_event_files__events", "fct_events")
ROWS = """
insert into raw_event_files.events
select
    'evt-' || md5(cast({first} + i as text)), i % 50000, 'page_view', '/products/' || i % 1000,
    i % 1000, timestamptz '2025-01-01 00:00:00+00' + ({first} + i) * interval '1 second',
    '{load_id}-' || cast(floor(i / 20000.0) as bigint), i, '{load_id}'
from (select {series} as i) as numbers
"""
SERIES = {"duckdb": "unnest(range({count}))", "postgres": "generate_series(0, {count} - 1)"}


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(line + "\n")


def main() -> None:
    """Print one line for each size of history, on one target."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--target", choices=list(SERIES), default="duckdb")
    options = parser.parse_args()
    say("target    history      full build  1 % new   ratio  nothing new")
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as directory:
        new = options.rows // 100  # the same for both: only history grows
        for rows in (options.rows // 10, options.rows):
            with warehouses.opened(options.target, Path(directory) / str(rows)) as warehouse:
                full, some, none = measure(warehouse, rows, new)
            say(
                f"{options.target:9} {rows:>9,}  {full:9.2f} s {some:7.2f} s  "
                f"1/{full / some:<5.1f} {none:7.2f} s"
            )


def measure(warehouse: warehouses.Warehouse, rows: int, new: int) -> tuple[float, float, float]:
    """Seconds of a first build, of a run with new rows, and of one with nothing new."""
    raw_tables.create(warehouse)
    add(warehouse, 1, 0, rows)
    warehouse.dbt("parse")
    full = timed(warehouse)
    add(warehouse, 2, rows - new // 10, new)  # a tenth of what is new replaces what was there
    return full, timed(warehouse), timed(warehouse)


def add(warehouse: warehouses.Warehouse, number: int, first: int, count: int) -> None:
    """Load rows of events, numbered from `first` on."""
    series = SERIES[warehouse.kind].format(count=count)
    load_id = raw_tables.load_id(number)
    warehouse.execute(ROWS.format(first=first, series=series, load_id=load_id))
    raw_tables.record(warehouse, "raw_event_files", number)
    if warehouse.kind == "postgres":
        warehouse.execute("analyze raw_event_files.events")


def timed(warehouse: warehouses.Warehouse) -> float:
    """Seconds that the models themselves take; what dbt needs to start is left out."""
    started = time.perf_counter()
    seconds = warehouse.seconds("run", *SELECT)
    say(f"    (with dbt's start: {time.perf_counter() - started:.2f} s)")
    return seconds


if __name__ == "__main__":
    main()
