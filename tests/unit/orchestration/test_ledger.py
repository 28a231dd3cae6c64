"""The ledger keeps runs, counts exactly, and never shows a dead run as running."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from orchestration import history, lease, process
from orchestration.errors import AlreadyRunning, LedgerFailed, NameUnknown
from orchestration.lease import Claim, End
from orchestration.ledger import Ledger, new_id
from orchestration.ledger_schema import LEASES, LOADS, NEWEST, VERSION
from orchestration.outcome import Outcome, Table
from orchestration.plan import Job, Step

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
JOB = Job(steps=(Step(kind="load", argument="a"), Step(kind="transform", needs=("load a",))))
CLAIM = Claim(name="daily", job=JOB, target="duckdb", warehouse="/w")


def hold_as(ledger: Ledger, run_id: str, *, host: str, identity: str) -> None:
    """Let another process hold a run's lease."""
    with ledger.transaction() as connection:
        connection.execute(
            LEASES.update().where(LEASES.c.run_id == run_id).values(host=host, process=identity)
        )


def dead_process() -> str:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = process.identity(child.pid)
    assert process.is_alive(identity)
    child.communicate(b"\n")
    return identity


def test_times_come_back_aware(ledger: Ledger) -> None:
    run = ledger.run(lease.start(ledger, CLAIM, NOW))
    assert run["started_at"] == NOW
    assert run["started_at"].tzinfo is UTC


def test_a_run_is_found_by_a_part_of_its_id(ledger: Ledger) -> None:
    run_id = lease.start(ledger, CLAIM, NOW)
    assert ledger.run(run_id[-4:])["id"] == run_id
    with pytest.raises(NameUnknown, match="No run 'zzz': no run goes by it"):
        ledger.run("zzz")


def test_ids_sort_by_time() -> None:
    assert new_id(NOW) < new_id(NOW + timedelta(seconds=1))


def loaded(*packages: tuple[str, int]) -> Outcome:
    """Return what a step hands back that found these load packages, with so many rows each."""
    tables = [
        Table(source="a", table="t", read=n, loaded=n, collapsed=0, rejected=0, load_id=load_id)
        for load_id, n in packages
    ]
    loads = tuple(("a", load_id) for load_id, _ in packages)
    return Outcome(tables=tuple(tables), loads=loads)


def test_the_rows_of_a_load_count_once_whoever_comes_with_them(ledger: Ledger) -> None:
    first = lease.start(ledger, CLAIM, NOW)
    second = lease.start(ledger, replace(CLAIM, name="hourly"), NOW)
    ledger.count(first, loaded(("1.5", 5)))
    ledger.complete_step(first, "load a", loaded(("1.5", 5), ("2.5", 7)), seconds=1.0)
    ledger.complete_step(second, "load a", loaded(("2.5", 7), ("3.5", 0)), seconds=1.0)
    for run_id in (first, second):
        lease.finish(ledger, run_id, End(status="completed"), NOW)
    assert ledger.run(first)["records_processed"] == 12
    assert ledger.run(second)["records_processed"] == 0
    assert history.idle_loads(ledger) == ("a 3.5",)


def test_a_living_holder_keeps_its_lease(ledger: Ledger) -> None:
    run_id = lease.start(ledger, CLAIM, NOW)
    with pytest.raises(AlreadyRunning, match=f"tidemill cancel {run_id}"):
        lease.start(ledger, CLAIM, NOW + timedelta(days=1))


def test_other_warehouses_and_jobs_are_free(ledger: Ledger) -> None:
    lease.start(ledger, CLAIM, NOW)
    lease.start(ledger, Claim(name="daily", job=JOB, target="duckdb", warehouse="/other"), NOW)
    lease.start(ledger, Claim(name="hourly", job=JOB, target="duckdb", warehouse="/w"), NOW)
    assert len(ledger.runs()) == 3


def test_a_dead_holder_here_is_buried_and_its_lease_taken_over(ledger: Ledger) -> None:
    dead = lease.start(ledger, CLAIM, NOW)
    ledger.update_step(dead, "load a", status="running")
    hold_as(ledger, dead, host=process.host(), identity=dead_process())
    lease.start(ledger, CLAIM, NOW)
    run = ledger.run(dead)
    assert run["status"] == "failed"
    assert run["error"].startswith("The process died.")
    assert [step["status"] for step in run["steps"]] == ["failed", "pending"]


def test_a_pid_given_to_another_process_is_not_the_holder(ledger: Ledger) -> None:
    run_id = lease.start(ledger, CLAIM, NOW)
    reused = process.identity().partition(":")[0] + ":1"
    hold_as(ledger, run_id, host=process.host(), identity=reused)
    assert lease.bury(ledger, NOW) == [run_id]


def test_a_holder_elsewhere_is_dead_when_it_is_silent_too_long(ledger: Ledger) -> None:
    run_id = lease.start(ledger, CLAIM, NOW)
    hold_as(ledger, run_id, host="elsewhere", identity="1:1")
    assert lease.bury(ledger, NOW + lease.STALE) == []
    assert lease.beat(ledger, run_id, NOW + lease.STALE) == "go"
    assert lease.bury(ledger, NOW + lease.STALE * 2) == []
    assert lease.bury(ledger, NOW + lease.STALE * 2 + timedelta(seconds=1)) == [run_id]
    assert lease.beat(ledger, run_id, NOW) == "lost"


def test_a_run_that_lost_its_lease_does_not_overwrite_its_record(ledger: Ledger) -> None:
    run_id = lease.start(ledger, CLAIM, NOW)
    hold_as(ledger, run_id, host="elsewhere", identity="1:1")
    lease.bury(ledger, NOW + timedelta(hours=1))
    lease.finish(ledger, run_id, End(status="completed"), NOW)
    assert ledger.run(run_id)["status"] == "failed"


def test_cancel_is_heard_at_the_next_heartbeat(ledger: Ledger) -> None:
    run_id = lease.start(ledger, CLAIM, NOW)
    lease.request_cancel(ledger, run_id)
    assert lease.beat(ledger, run_id, NOW) == "cancel"


def test_a_ledger_newer_than_the_program_is_refused(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        connection.execute(VERSION.update().values(version=NEWEST + 1))
    with pytest.raises(LedgerFailed, match="Update the program; nothing was changed"):
        Ledger.open(ledger.place)


def test_an_old_ledger_is_brought_up_and_keeps_what_it_holds(ledger: Ledger) -> None:
    run_id = lease.start(ledger, CLAIM, NOW)
    with ledger.transaction() as connection:
        connection.exec_driver_sql("alter table loads drop column news")
        connection.exec_driver_sql("insert into loads values ('a', '1.5', 'r')")
        connection.execute(VERSION.update().values(version=1))
    ledger.close()
    again = Ledger.open(str(ledger.engine.url))
    with again.transaction() as connection:
        assert connection.execute(sa.select(VERSION.c.version)).scalars().all() == [NEWEST]
        assert connection.execute(sa.select(LOADS)).all() == [("a", "1.5", "r", True)]
    assert again.run(run_id)["status"] == "running"
    again.close()


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerFailed, match="TIDEMILL_LEDGER_URL says where"):
        Ledger.open(f"sqlite:///{tmp_path}/file/ledger.sqlite")


def test_sqlite_is_in_wal_mode(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        assert connection.execute(sa.text("pragma journal_mode")).scalar() == "wal"
