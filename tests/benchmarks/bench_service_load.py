"""The service under load while a run is on: batches in, pages out, and nothing lost.

`python tests/benchmarks/bench_service_load.py [--seconds 20]`. A small demo shop has had a day; the
job `daily` runs again and again while 10 batches of 100 items and 200 pages are asked for each
second, each at its own time whether or not the ones before were answered. Waiting counts from that
time. Afterwards the intake is loaded and every accepted item counted in the warehouse. Fails when
the 99th percentile of batches is 250 ms or more, a rate is not reached, or an item is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import duckdb  # noqa: E402

from demo.shop import Shop  # noqa: E402
from tests.integration.orchestration.service.running import Server  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

ITEMS = 100
BATCHES_A_SECOND = 10
PAGES_A_SECOND = 200
MOST_MS = 250.0
CONNECTIONS = {"batch": 4, "page": 12}


@dataclass
class Line:
    """Requests of one kind: each due at its time, answered by whichever connection is free."""

    name: str
    rate: float
    make: Callable[[int], bytes]
    waited: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    ended: float = 0.0


def request(method: str, path: str, body: bytes = b"") -> bytes:
    """Return an HTTP request."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def batch(number: int) -> bytes:
    """Return the request for a batch of new users."""
    first = number * ITEMS + 1
    items = [
        {"id": key, "method": "create", "data": {"email": f"u{key}@example.com", "phone": "1"}}
        for key in range(first, first + ITEMS)
    ]
    return request("POST", "/api/v1/users/batch", json.dumps({"items": items}).encode())


def page(number: int) -> bytes:
    """Return the request for a page; no two in a row are the same."""
    sort = ("user_id", "-created_at", "country_code")[number % 3]
    path = f"/api/v1/users?page={1 + number % 7}&page_size={20 + number % 50}&sort={sort}"
    return request("GET", path)


async def ask(port: int, line: Line, due: asyncio.Queue[tuple[float, int] | None]) -> None:
    """Answer what is due over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (entry := await due.get()) is not None:
        at, number = entry
        writer.write(line.make(number))
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(text.split(b":")[1])
            for text in head.lower().split(b"\r\n")
            if text.startswith(b"content-length:")
        )
        await reader.readexactly(length)
        line.ended = time.perf_counter()
        line.waited.append((line.ended - at) * 1000)
        status = int(head[9:12])
        line.statuses[status] = line.statuses.get(status, 0) + 1
    writer.close()


async def drive(port: int, line: Line, seconds: float) -> None:
    """Let requests fall due at their rate."""
    due: asyncio.Queue[tuple[float, int] | None] = asyncio.Queue()
    workers = [asyncio.create_task(ask(port, line, due)) for _ in range(CONNECTIONS[line.name])]
    begun = time.perf_counter()
    for number in range(int(line.rate * seconds)):
        at = begun + number / line.rate
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        due.put_nowait((at, number))
    for _ in workers:
        due.put_nowait(None)
    await asyncio.gather(*workers)
    line.ended -= begun


class Runs:
    """Runs `daily` again and again, by the service itself; told to stop, it waits for the last."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.is_over = False
        self.count = 0

    async def work(self) -> None:
        """Start a run, wait for its end, start the next."""
        while not self.is_over:
            started = await self._call(request("POST", "/api/v1/jobs/daily/runs"))
            self.count += 1
            while True:
                await asyncio.sleep(0.5)
                run = await self._call(request("GET", started["status_url"]))
                if run["status"] != "running":
                    break

    async def _call(self, what: bytes) -> dict[str, str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(what.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        answer = (await reader.read()).partition(b"\r\n\r\n")[2]
        writer.close()
        return dict(json.loads(answer))


async def load(port: int, seconds: float) -> tuple[Line, Line, int]:
    """Ask for both kinds while runs are on."""
    lines = (Line("batch", BATCHES_A_SECOND, batch), Line("page", PAGES_A_SECOND, page))
    runs = Runs(port)
    running = asyncio.create_task(runs.work())
    await asyncio.sleep(2.0)
    await asyncio.gather(*(drive(port, line, seconds) for line in lines))
    runs.is_over = True
    await running
    return *lines, runs.count


def told(line: Line) -> float:
    """Print a line's figures; return its 99th percentile in milliseconds."""
    waited = sorted(line.waited)
    middle, late = waited[len(waited) // 2], waited[int(len(waited) * 0.99)]
    sys.stdout.write(
        f"{line.name:6} {len(waited):6} answered in {line.ended:5.1f} s = "
        f"{len(waited) / line.ended:6.1f}/s  p50 {middle:6.1f} ms  p99 {late:6.1f} ms  "
        f"worst {waited[-1]:6.1f} ms  {line.statuses}\n"
    )
    return late


def counted(server: Server) -> tuple[int, int]:
    """Load the intake and return rows and distinct keys in the warehouse."""
    command = [sys.executable, "-m", "orchestration", "load", "intake"]
    subprocess.run(command, env=server.environment, check=True, capture_output=True)
    sql = "select count(*), count(distinct id) from raw_intake.users"
    with duckdb.connect(str(server.var / "warehouse.duckdb"), read_only=True) as connection:
        found = connection.execute(sql).fetchone()
    return (int(found[0]), int(found[1])) if found else (0, 0)


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        var = Path(folder)
        with Shop(var / "shop", scale=0.2) as shop:
            shop.advance()
            server = Server(var, {**shop.environment(), "OUTPUTS__SALES_FILES__URL": f"{var}/x"})
            command = [sys.executable, "-m", "orchestration", "run", "daily"]
            subprocess.run(command, env=server.environment, check=True, capture_output=True)
            server.start()
            try:
                return measure(server, given.seconds)
            finally:
                server.close()


def measure(server: Server, seconds: float) -> int:
    """Load the server, then count."""
    batches, pages, runs = asyncio.run(load(server.port, seconds))
    late = told(batches)
    told(pages)
    sent = len(batches.waited) * ITEMS
    server.stop()
    rows, keys = counted(server)
    sys.stdout.write(
        f"runs begun meanwhile: {runs}; items accepted {sent:,}, in the warehouse {rows:,} "
        f"({keys:,} keys)\n"
    )
    is_fast = late < MOST_MS and max(batches.ended, pages.ended) < seconds + 1
    is_exact = (rows, keys) == (sent, sent) and set(batches.statuses) == {200}
    return 0 if is_fast and is_exact and set(pages.statuses) == {200} else 1


if __name__ == "__main__":
    raise SystemExit(main())
