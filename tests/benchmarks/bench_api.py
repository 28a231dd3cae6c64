"""A web API to DuckDB: pages a second of `load()`, beside what the server gives to a bare loop.

`python -m tests.benchmarks.bench_api [pages] [--rate 50] [--rounds 3]` serves rows itself, at an
allowed rate and without one, lets the contenders take turns, and prints medians and ratios.
Wanted: 0.9 of what the server gives at the allowed rate.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from pathlib import Path
from shutil import rmtree
from statistics import median
from tempfile import mkdtemp
from typing import Any

from tests.benchmarks.figures import Figure, Run, Section, hand_in

ROWS_A_PAGE = 100
ANSWER_SECONDS = 0.02
LOOP = "a bare loop"


def serve(pages: int, rate: float | None, place: Any) -> None:
    """Serve rows by page number until the process is ended."""
    from tests.integration.loaders.shelf import Shelf, row

    rows = [row(number) for number in range(pages * ROWS_A_PAGE)]
    with Shelf(rows, delay=ANSWER_SECONDS, calls_a_second=rate) as shelf:
        place.put(shelf.url)
        time.sleep(3600)


def bare(url: str, pages: int, rate: float | None) -> float:
    """Seconds of a loop that asks for page after page, as fast as it may, and drops them."""
    import requests

    begun = time.perf_counter()
    with requests.Session() as session:
        for number in range(1, pages + 1):
            if rate:
                time.sleep(max(0.0, begun + (number - 1) / rate - time.perf_counter()))
            params = {"page": number, "page_size": ROWS_A_PAGE}
            while not (answer := session.get(f"{url}/pages", params=params, timeout=60)).ok:
                time.sleep(float(answer.headers["Retry-After"]))
            assert len(answer.json()["items"]) == ROWS_A_PAGE
    return time.perf_counter() - begun


def ours(url: str, pages: int, rate: float | None, at_once: int) -> float:
    """Seconds of a load of all pages, from the first request to the commit and the accounting."""
    import dlt

    from loaders.columns import columns
    from loaders.dispositions import REPLACE_KEYS
    from loaders.load import load
    from loaders.readers.numbered import Numbered, numbered_pages
    from loaders.readers.session import Manners, PoliteSession
    from loaders.warehouse import Target

    declared = columns(id="bigint", name="text", updated_at="timestamp")

    @dlt.resource(name="rows", primary_key="id", columns=declared, write_disposition=REPLACE_KEYS)
    def rows() -> Any:
        session = PoliteSession(Manners(rate=rate, at_once=at_once))
        place = Numbered(url=f"{url}/pages", key="id", size=ROWS_A_PAGE, at_once=at_once)
        yield from numbered_pages(session, place)

    @dlt.source(name="measured")
    def measured() -> Any:
        return rows

    path = Path(os.environ["TIDEMILL_VAR"]) / "warehouse.duckdb"
    begun = time.perf_counter()
    result = load(measured(), target=Target(name="duckdb", kind="duckdb", path=path))
    assert sum(table.read - table.rejected for table in result.tables) >= pages * ROWS_A_PAGE
    return time.perf_counter() - begun


def measure(pages: int, rate: float | None, rounds: int) -> list[Figure]:
    """Return what each contender took."""
    place: Any = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(pages, rate, place), daemon=True)
    server.start()
    url = place.get()
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        found.setdefault(LOOP, []).append(bare(url, pages, rate))
        if rate is None:
            found.setdefault("load(), one at a time", []).append(ours(url, pages, None, 1))
        found.setdefault("load(), four at once", []).append(ours(url, pages, rate, 4))
    server.terminate()
    allowed = f"{rate:g} a second allowed" if rate else "no limit"
    return [
        Figure(
            work=f"{pages} pages of {ROWS_A_PAGE} rows, {allowed}",
            contender=name,
            runs=[Run(wall=one) for one in seconds],
            comes_to=_comes_to(pages, median(seconds), median(found[LOOP])),
        )
        for name, seconds in found.items()
    ]


def _comes_to(pages: int, seconds: float, loop: float) -> str:
    return f"{pages / seconds:.1f} pages/s, {loop / seconds:.2f} of the loop"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="?", type=int, default=400)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    folder = mkdtemp(prefix="tidemill-bench-")
    os.environ["TIDEMILL_VAR"] = folder
    try:
        measure(3, None, 1)  # the warehouse is made, the libraries are there
        limited = measure(given.pages, given.rate, given.rounds)
        free = measure(given.pages, None, given.rounds)
    finally:
        rmtree(folder, ignore_errors=True)
    hand_in(
        Section(
            title="API into DuckDB",
            command=" ".join(["python -m tests.benchmarks.bench_api", *sys.argv[1:]]),
            figures=[*limited, *free],
            notes=["Wanted: 0.9 of what the server gives at the allowed rate."],
        )
    )


if __name__ == "__main__":
    main()
