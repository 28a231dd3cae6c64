"""What a load costs that brings nothing, or little: for each source of the demo, and after many.

`python -m tests.benchmarks.bench_fixed_cost [LOADS] [--rounds 5]` opens the demo shop, loads its
four sources in one warm process until nothing is new, and times further loads; loads sixty small
tables of a database, and again with nothing new; then makes so many loads of one small file each
(1,000 unless told) and compares the last with the tenth.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from shutil import rmtree
from statistics import median
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from tests.benchmarks.figures import Figure, Run, Section, hand_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WANTED = 0.5
TABLES = 60
AROUND = 10
"""So many loads are taken together where single ones are compared."""


def timed(work: Callable[[], object]) -> Run:
    """Run it and return what it took in this process."""
    begun, used = time.perf_counter(), time.process_time()
    work()
    return Run(wall=time.perf_counter() - begun, cpu=time.process_time() - used)


def sources(folder: Path, rounds: int) -> list[Figure]:
    """Time loads of the demo's sources with nothing new."""
    from demo.shop import Shop

    with Shop(folder / "shop", scale=0.1) as shop:
        shop.advance()
        os.environ.update(shop.environment())
        from loaders.load import load
        from loaders.warehouse import Target

        target = Target(name="duckdb", kind="duckdb", path=folder / "warehouse.duckdb")
        figures = []
        for name in ("event_files", "shop_db", "shop_api", "payment_queue"):
            load(name, target=target)
            load(name, target=target)
            runs = [timed(lambda name=name: load(name, target=target)) for _ in range(rounds)]
            told = f"{median(run.wall for run in runs):.2f} s (under {WANTED} s)"
            work = f"nothing new in {name}"
            figures.append(Figure(work=work, contender="load", runs=runs, comes_to=told))
        return figures


def tables(folder: Path, rounds: int) -> list[Figure]:
    """Load many small tables of a SQLite database, each with a cursor, and look at them again."""
    import dlt

    from loaders.columns import columns
    from loaders.cursor import cursor
    from loaders.load import load
    from loaders.readers.database import table
    from loaders.warehouse import Target

    path, names = folder / "many.sqlite", [f"t{number}" for number in range(TABLES)]
    with closing(sqlite3.connect(path)) as connection, connection:
        for name in names:
            connection.execute(
                f"create table {name} (id integer primary key, amount numeric, updated_at text)"
            )
            connection.execute(f"insert into {name} values (1, 1.5, '2026-01-01'), (2, 2, '2026')")
    shape = columns(id="bigint", amount="decimal(18, 2)", updated_at="text")

    @dlt.source(name="many")
    def many() -> Any:
        made: dict[str, Any] = {"key": "id", "columns": shape}
        url = f"sqlite:///{path}"
        return [table(name, url, **made, cursor=cursor("updated_at")) for name in names]

    target = Target(name="duckdb", kind="duckdb", path=folder / "many.duckdb")
    first = timed(lambda: load(many(), target=target))
    runs = [timed(lambda: load(many(), target=target)) for _ in range(rounds)]
    work = f"{TABLES} small tables of a database"
    each = median(run.cpu or 0 for run in runs) / TABLES
    return [
        Figure(work=work, contender="first load", runs=[first]),
        Figure(
            work=work,
            contender="nothing new",
            runs=runs,
            comes_to=f"{each * 1_000:.0f} ms of CPU a table",
        ),
    ]


def history(folder: Path, loads: int) -> list[Figure]:
    """Make many small loads of one source, and compare the last ones with the tenth."""
    import dlt

    from loaders.columns import columns
    from loaders.load import load
    from loaders.readers.files import files
    from loaders.warehouse import Target

    drop = folder / "drop"
    drop.mkdir()

    @dlt.source(name="history")
    def source() -> Any:
        return files("things", str(drop), columns=columns(id="bigint", name="text"))

    target = Target(name="duckdb", kind="duckdb", path=folder / "history.duckdb")
    runs = []
    for number in range(loads):
        (drop / f"{number:06}.csv").write_text(f"id,name\n{number},Ann\n")
        runs.append(timed(lambda: load(source(), target=target)))
    marks = [mark for mark in (AROUND, 100, loads) if mark <= loads]
    spans = [
        runs[mark - AROUND + 1 : mark + 1] if mark == AROUND else runs[mark - AROUND : mark]
        for mark in marks
    ]
    return [
        Figure(
            work="one file of one row, again and again",
            contender=f"around load {mark:,}",
            runs=span,
            comes_to=_beside_tenth(span, spans[0]),
        )
        for mark, span in zip(marks, spans, strict=True)
    ]


def _beside_tenth(span: Sequence[Run], tenth: Sequence[Run]) -> str:
    wall = median(run.wall for run in span) / median(run.wall for run in tenth)
    cpu = median(run.cpu or 0 for run in span) / median(run.cpu or 0 for run in tenth)
    return f"{wall:.2f} times the tenth's wall time, {cpu:.2f} its CPU"


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("loads", type=int, nargs="?", default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    folder = Path(mkdtemp(prefix="tidemill-bench-"))
    os.environ["TIDEMILL_VAR"] = str(folder / "var")
    try:
        figures = [
            *sources(folder, given.rounds),
            *tables(folder, given.rounds),
            *history(folder, given.loads),
        ]
    finally:
        rmtree(folder, ignore_errors=True)
    command = " ".join(["python -m tests.benchmarks.bench_fixed_cost", *sys.argv[1:]])
    note = f"Wanted: under {WANTED} s with nothing new, and the last load at the cost of the tenth."
    hand_in(
        Section(title="What a load costs in itself", command=command, figures=figures, notes=[note])
    )


if __name__ == "__main__":
    main()
