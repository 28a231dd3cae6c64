"""A Redis stream to DuckDB: messages a second of `load()`, beside the bare reading of the stream.

`python -m tests.benchmarks.bench_queue [messages] [--rounds 3]` starts a Redis of its own, lets
both take turns, and prints medians. Wanted: 20,000 messages a second.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from shutil import rmtree
from statistics import median
from tempfile import mkdtemp
from typing import Any

from tests.benchmarks.figures import Figure, Run, Section, hand_in

WANTED = 20_000
AT_ONCE = 10_000
FIELDS = {
    "amount": "12.50",
    "currency": "EUR",
    "method": "card",
    "status": "succeeded",
    "paid_at": "2026-01-01T10:00:00Z",
}


def fill(client: Any, count: int) -> None:
    """Send so many payments."""
    client.flushall()
    for begin in range(0, count, AT_ONCE):
        pipe = client.pipeline(transaction=False)
        for number in range(begin, min(begin + AT_ONCE, count)):
            pipe.xadd("payments", {"payment_id": number, "order_id": number // 2, **FIELDS})
        pipe.execute()


def bare(url: str, count: int) -> float:
    """Seconds that the stream takes to be read and acknowledged, and nothing done with it."""
    from loaders.readers.redis_stream import RedisStream

    broker = RedisStream(url, "payments", "bare")
    begun, seen = time.perf_counter(), 0
    while page := broker.receive(AT_ONCE, 0):
        broker.acknowledge([message.message_id for message in page])
        seen += len(page)
    assert seen == count
    broker.close()
    return time.perf_counter() - begun


def ours(url: str, count: int, folder: Path) -> tuple[float, float]:
    """Seconds of a load of them all into a warehouse that is there, and of this process's work."""
    from loaders.load import load
    from loaders.sources.payment_queue import payment_queue
    from loaders.warehouse import Target

    target = Target(name="duckdb", kind="duckdb", path=folder / "warehouse.duckdb")
    begun, worked = time.perf_counter(), time.process_time()
    result = load(payment_queue(url), target=target)
    assert sum(table.loaded for table in result.tables) == count
    return time.perf_counter() - begun, time.process_time() - worked


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("messages", nargs="?", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    from redis import Redis

    from demo.redis_server import start_redis, stop_redis

    folder = Path(mkdtemp(prefix="tidemill-bench-"))
    os.environ["TIDEMILL_VAR"] = str(folder)
    process, port = start_redis(folder / "redis", 0)
    url = f"redis://127.0.0.1:{port}/0"
    rows: list[tuple[float, float, float]] = []
    try:
        with Redis.from_url(url) as client:
            fill(client, 1_000)
            ours(url, 1_000, folder)  # the warehouse is made, the libraries are there
            for _ in range(given.rounds):
                fill(client, given.messages)
                alone = bare(url, given.messages)
                rows.append((alone, *ours(url, given.messages, folder)))
    finally:
        stop_redis(process)
        rmtree(folder, ignore_errors=True)
    work = f"{given.messages:,} messages"
    rate = given.messages / median(wall for _, wall, _ in rows)
    processed = given.messages / median(cpu for *_, cpu in rows)
    hand_in(
        Section(
            title="Redis stream into DuckDB",
            command=" ".join(["python -m tests.benchmarks.bench_queue", *sys.argv[1:]]),
            figures=[
                Figure(
                    work=work,
                    contender="the stream alone: receive, acknowledge",
                    runs=[Run(wall=alone) for alone, *_ in rows],
                ),
                Figure(
                    work=work,
                    contender="load()",
                    runs=[Run(wall=wall, cpu=cpu) for _, wall, cpu in rows],
                    comes_to=f"{rate:,.0f} messages/s, {processed:,.0f} by CPU ({WANTED:,} wanted)",
                ),
            ],
        )
    )


if __name__ == "__main__":
    main()
