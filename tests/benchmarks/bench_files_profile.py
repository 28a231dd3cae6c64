"""Where the time of a load of files into DuckDB goes, stage by stage.

`python -m tests.benchmarks.bench_files_profile [ROWS] [--rounds 3]`. Each stage does what the one
before it does, and more: reading a file's columns, judging and casting them, storing them. All run
on one thread of this process, so that CPU seconds are what a stage costs.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb
from dlt.common.configuration.container import Container
from dlt.extract.decorators import SourceSchemaInjectableContext

from loaders.columns import literal, quoted
from loaders.raw_tables import shapes
from loaders.readers.arrivals import Arrivals
from loaders.readers.formats import CsvOptions
from loaders.readers.judged import mark, normalized
from loaders.shape import PLACE
from tests.benchmarks.bench_files import write
from tests.benchmarks.figures import Figure, Run, Section, hand_in
from tests.benchmarks.file_contenders import HOW, bare, bench, ours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STAGES = (
    "bare engine: read",
    "bare engine: `create table as`",
    "ours: read",
    "ours: read, judge and cast",
    "ours: `create table as`, with file, line and load",
)
NOTES = [
    (
        "What a load takes beyond the bare engine is the difference between the two `create table "
        "as` and, whatever its size, the load of one row: dlt resolves its settings, opens and "
        "closes the warehouse, and brings its package through extract, normalize and load. `times` "
        "compare with the bare reading. Gunzip for ours runs in a thread of its own, and is in the "
        "CPU seconds."
    )
]


def took(work: Callable[[], object]) -> Run:
    """Return what some work takes in this process."""
    begun, used = time.perf_counter(), time.process_time()
    work()
    return Run(wall=time.perf_counter() - begun, cpu=time.process_time() - used)


def run_stage(stage: str, source: Path, form: str, folder: Path) -> Run:
    """Run one stage on a file, in a new database."""
    with TemporaryDirectory(dir=folder) as place, duckdb.connect(f"{place}/it.duckdb") as engine:
        engine.execute("set threads = 1; set TimeZone = 'UTC'; set memory_limit = '400MB'")
        if stage.startswith("bare"):
            sql = bare(source)
            return took(lambda: engine.execute(_of(stage, sql, sql)).fetchall())
        with arriving(engine, source, form.removesuffix(".gz"), Path(place)) as (read, judged):
            return took(lambda: engine.execute(_of(stage, read, judged)).fetchall())


@contextmanager
def arriving(
    engine: duckdb.DuckDBPyConnection, source: Path, kind: str, place: Path
) -> Iterator[tuple[str, str]]:
    """Give the SQL by which a file's columns are read, and by which they are judged and cast."""
    rows = bench(source.parent)
    declared = shapes(rows)["sales"]
    types = {name: kind for name, kind in declared.types.items() if name not in PLACE}
    shape = replace(declared, types=types)
    with Container().injectable_context(SourceSchemaInjectableContext(rows.schema)):
        arrivals = Arrivals(engine, CsvOptions(), shape.types, place / "pipe")
        arrive = arrivals.of(kind, source)
        assert arrive is not None, source
        with arrivals.flowing(kind, source) as path:
            arrival = arrive(path)
            shape = arrivals.judged(shape, kind, arrival)
            fields = normalized(arrival)
            whence = f"{literal(source.name)} as _file, {mark(arrival, shape)} as _line,"
            columns = ", ".join(f"{value} as {quoted(name)}" for name, value in fields.items())
            good = shape.good(fields, load_id="0", extra=whence)
            select = f"select {{}} from ({arrival.relation})"
            yield select.replace("{}", columns), select.replace("{}", good)


def _of(stage: str, read: str, judged: str) -> str:
    if stage.endswith("read"):
        return f"select sum(hash(columns(*))) from ({read})"
    if "table" in stage:
        return f"create table it as {judged}"
    return f"select sum(hash(columns(*))) from ({judged})"


def load_one_row(folder: Path, rounds: int) -> list[Run]:
    """Load files of one row, as on all days but the first."""
    os.environ["TIDEMILL_VAR"] = str(folder)
    runs = []
    for day in range(rounds + 2):
        source = write(folder / str(day), 1, "csv")
        runs.append(took(lambda source=source: ours(source, folder, "")))  # type: ignore[misc]
    return runs[2:]


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    figures = []
    with TemporaryDirectory(prefix="tidemill-bench-") as made:
        folder = Path(made)
        for form in HOW:
            source = write(folder, given.rows, form)
            runs: dict[str, list[Run]] = {stage: [] for stage in STAGES}
            for _ in range(given.rounds):
                for stage, found in runs.items():
                    found.append(run_stage(stage, source, form, folder))
            figures += [Figure(work=form, contender=each, runs=runs[each]) for each in STAGES]
        runs_of_one = load_one_row(folder, given.rounds)
    figures.append(Figure(work="one row of csv", contender="ours: the load", runs=runs_of_one))
    hand_in(
        Section(
            title=f"Files into DuckDB: where the time goes, {given.rows:,} rows on one thread",
            command=" ".join(["python -m tests.benchmarks.bench_files_profile", *sys.argv[1:]]),
            figures=figures,
            notes=NOTES,
        )
    )


if __name__ == "__main__":
    main()
