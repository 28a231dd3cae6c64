"""The ledger in PostgreSQL keeps, counts and leases as the one in SQLite does."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from orchestration import lease
from orchestration.errors import AlreadyFired, AlreadyRunning, LedgerFailed
from orchestration.lease import Claim, End
from orchestration.ledger import Ledger
from orchestration.outcome import Outcome, Table
from orchestration.plan import Job, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
JOB = Job(steps=(Step(kind="load", argument="a"),))


@pytest.fixture
def ledger(postgres: str) -> Iterator[Ledger]:
    opened = Ledger.open(postgres)
    yield opened
    opened.close()


def claim(**more: datetime) -> Claim:
    return Claim(name="daily", job=JOB, target="postgres", warehouse="w", **more)


def test_a_run_is_kept_in_the_schema_tidemill(ledger: Ledger) -> None:
    run_id = lease.start(ledger, claim(), NOW)
    table = Table(source="a", table="t", read=3, loaded=2, collapsed=0, rejected=1)
    ledger.complete_step(run_id, "load a", Outcome(tables=(table,)), seconds=1.0)
    lease.finish(ledger, run_id, End(status="completed"), NOW)
    again = Ledger.open(ledger.place)
    run = again.run(run_id)
    again.close()
    assert (run["status"], run["records_processed"], run["started_at"]) == ("completed", 3, NOW)
    with ledger.transaction() as connection:
        count = "select count(*) from tidemill.runs"
        assert connection.exec_driver_sql(count).scalar() == 1


def test_of_many_that_start_at_once_one_gets_the_lease(ledger: Ledger) -> None:
    answers: list[str] = []

    def start() -> None:
        try:
            answers.append(lease.start(ledger, claim(), NOW))
        except AlreadyRunning:
            answers.append("refused")

    threads = [threading.Thread(target=start) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count("refused") == 4
    assert len(ledger.runs()) == 1


def test_a_time_is_fired_once(ledger: Ledger) -> None:
    run_id = lease.start(ledger, claim(scheduled_for=NOW), NOW)
    lease.finish(ledger, run_id, End(status="completed"), NOW)
    with pytest.raises(AlreadyFired, match=run_id):
        lease.start(ledger, claim(scheduled_for=NOW), NOW)


def test_ledgers_that_open_at_once_make_one_schema(postgres: str) -> None:
    errors: list[Exception] = []

    def open_one() -> None:
        try:
            Ledger.open(postgres).close()
        except LedgerFailed as error:
            errors.append(error)

    threads = [threading.Thread(target=open_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_server_that_is_away_is_told_without_its_password() -> None:
    with pytest.raises(LedgerFailed, match="Cannot use the ledger") as caught:
        Ledger.open("postgresql://me:secret@127.0.0.1:1/db")
    assert "secret" not in str(caught.value)
    assert "me@127.0.0.1:1" in str(caught.value)
