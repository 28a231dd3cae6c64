"""Exports of a big mart over HTTP beside DuckDB's own COPY, and the memory that they take.

`python tests/benchmarks/bench_service_export.py [--rows 1000000] [--rounds 3]`. COPY to a file and
the download take turns; medians and their ratio (1 is as fast as COPY) are printed, and the
server's peak memory after exports of the rows and of three times as many. Fails when an export
is slower than half of COPY's speed, or when memory grows with the rows.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import duckdb

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.integration.orchestration.service.running import Server  # noqa: E402

TIMES = "timestampformat '%Y-%m-%dT%H:%M:%S.%fZ'"
COPIES = {
    "csv": f"format csv, {TIMES}",
    "ndjson": f"format json, {TIMES}",
    "parquet": "format parquet, compression zstd, row_group_size 50000",
}
COLUMNS = "user_id, country_code, is_marketing_opt_in, created_at, updated_at"
"""What is served: the others are personal."""
LEAST_SPEED = 0.5
MOST_GROWTH_MB = 100.0


def publish(var: Path, rows: int) -> None:
    """Put a published file with a dim_users of so many rows in its place."""
    aside = var / "published.tmp"
    with duckdb.connect(str(aside)) as connection:
        connection.execute("create schema marts")
        connection.execute(
            f"create table marts.dim_users as select i as user_id, 'user' || i || '@example.com' "
            "as email, 'First' || i % 1000 as first_name, 'Last' || i % 7919 as last_name, "
            "'First' || i % 1000 || ' Last' || i % 7919 as full_name, "
            "['DE', 'FR', 'GB', 'IT'][1 + i % 4] as country_code, i % 3 = 0 as "
            "is_marketing_opt_in, timestamp '2020-01-01' + interval (i) second as created_at, "
            f"timestamp '2026-01-01' + interval (i) second as updated_at from range({rows}) t(i)"
        )
    aside.replace(var / "published.duckdb")


def copied(var: Path, options: str) -> float:
    """Return the seconds of DuckDB's COPY of the mart to a file."""
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(f"attach '{var / 'published.duckdb'}' as published (read_only)")
        begun = time.perf_counter()
        sql = f"select {COLUMNS} from published.marts.dim_users"
        connection.execute(f"copy ({sql}) to '{var / 'copied'}' ({options})")
        return time.perf_counter() - begun


def downloaded(server: Server, form: str, encoding: str = "identity") -> tuple[float, int]:
    """Return the seconds and bytes of an export over HTTP."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
    begun = time.perf_counter()
    connection.request(
        "GET", f"/api/v1/users/export?format={form}", headers={"Accept-Encoding": encoding}
    )
    answer = connection.getresponse()
    if answer.status != http.client.OK:
        raise RuntimeError(answer.read().decode())
    size = 0
    while piece := answer.read(1 << 20):
        size += len(piece)
    connection.close()
    return time.perf_counter() - begun, size


def peak_mb(server: Server) -> float:
    """Return the most memory that the server has had, in MB."""
    assert server.process
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    return int(found.group(1)) / 1024 if found else 0.0


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        var = Path(folder)
        publish(var, given.rows)
        server = Server(var)
        server.start()
        try:
            return measure(server, given.rows, given.rounds)
        finally:
            server.close()


def measure(server: Server, rows: int, rounds: int) -> int:
    """Measure each format in turns with COPY."""
    slowest = 1.0
    for form, options in COPIES.items():
        pairs = [(copied(server.var, options), downloaded(server, form)) for _ in range(rounds)]
        copy = median(seconds for seconds, _ in pairs)
        export = median(seconds for _, (seconds, _) in pairs)
        slowest = min(slowest, copy / export)
        size = pairs[0][1][1] / 1e6
        sys.stdout.write(
            f"{form:8} {size:7.1f} MB  COPY {copy:6.2f} s  export {export:6.2f} s  "
            f"speed {copy / export:5.2f} of COPY\n"
        )
    for form, encoding in (("arrow", "identity"), ("csv", "gzip")):
        found = [downloaded(server, form, encoding) for _ in range(rounds)]
        seconds = median(took for took, _ in found)
        sys.stdout.write(f"{form} ({encoding}): {found[0][1] / 1e6:.1f} MB in {seconds:.2f} s\n")
    small = peak_mb(server)
    publish(server.var, 3 * rows)
    for form in (*COPIES, "arrow"):
        downloaded(server, form)
    big = peak_mb(server)
    sys.stdout.write(
        f"peak memory: {small:.0f} MB after {rows:,} rows, {big:.0f} MB after {3 * rows:,}\n"
    )
    return 0 if slowest >= LEAST_SPEED and big - small <= MOST_GROWTH_MB else 1


if __name__ == "__main__":
    os.environ.pop("TIDEMILL_VAR", None)
    raise SystemExit(main())
