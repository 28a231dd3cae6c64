"""What a run of the transforms costs when 1 % is new: against a full build, and as history grows.

Run: `python -m tests.benchmarks.transform_cost [--rows 5000000] [--target duckdb|postgres]`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.benchmarks.figures import Figure, Run, Section, hand_in
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
FILES = """
insert into raw_event_files._files (path, table_name, _dlt_load_id)
select distinct _file, 'events', _dlt_load_id from raw_event_files.events
where _dlt_load_id = '{load_id}'
"""
NEXT = ("50,000 rows new, a tenth of them changed", "nothing new")
WANTED = (
    "Wanted of the larger history: at most 1/10 on DuckDB and 1/15 on PostgreSQL, and no more than "
    "of the smaller. What grows with history on DuckDB is the reading of two columns of keys, once "
    "each; on PostgreSQL, the pages that random keys touch in three indexes, written anew."
)
NOTES = [WANTED, "One run each: a full build is long. dbt's own start is left out."]
SERIES = {"duckdb": "unnest(range({count}))", "postgres": "generate_series(0, {count} - 1)"}


def main() -> None:
    """Hand in one figure for each build, on one target and two sizes of history."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--target", choices=list(SERIES), default="duckdb")
    options = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as directory:
        new = options.rows // 100  # the same for both: only history grows
        for rows in (options.rows // 10, options.rows):
            with warehouses.opened(options.target, Path(directory) / str(rows)) as warehouse:
                seconds = measure(warehouse, rows, new)
            for contender, taken in zip(("full build", *NEXT), seconds, strict=True):
                told = f"1/{seconds[0] / taken:.1f} of the full build"
                runs = [Run(wall=taken)]
                figures.append(
                    Figure(work=f"{rows:,} events", contender=contender, runs=runs, comes_to=told)
                )
    hand_in(
        Section(
            title=f"Models on {options.target}: 50,000 of 5 million rows new",
            command=f"python -m tests.benchmarks.transform_cost --target {options.target}",
            figures=figures,
            notes=NOTES,
        )
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
    warehouse.execute(FILES.format(load_id=load_id))
    raw_tables.record(warehouse, "raw_event_files", number)
    if warehouse.kind == "postgres":
        warehouse.execute("analyze raw_event_files.events")


def timed(warehouse: warehouses.Warehouse) -> float:
    """Seconds that the models themselves take; what dbt needs to start is left out."""
    return warehouse.seconds("run", *SELECT)


if __name__ == "__main__":
    main()
