"""What is old is forgotten with its files, and what is needed stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import duckdb
import pytest

from orchestration import lease, upkeep
from orchestration.errors import NameUnknown
from orchestration.lease import Claim, End
from orchestration.outcome import Outcome, Table
from orchestration.plan import Job, Step

if TYPE_CHECKING:
    from orchestration.ledger import Ledger
    from orchestration.settings import Settings

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
JOB = Job(steps=(Step(kind="load", argument="a"),))
DAY = timedelta(days=1)


def a_run(ledger: Ledger, at: datetime, name: str = "daily", *, read: int = 1) -> str:
    claim = Claim(
        name=name,
        job=JOB,
        target="duckdb",
        warehouse="w",
        trigger="schedule",
        scheduled_for=at,
    )
    run_id = lease.start(ledger, claim, at)
    table = Table(source="a", table="t", read=read, loaded=read, collapsed=0, rejected=0)
    outcome = Outcome(tables=(table,) if read else ())
    ledger.complete_step(run_id, "load a", outcome, seconds=1.0)
    lease.finish(ledger, run_id, End(status="completed"), at)
    return run_id


def test_old_runs_go_with_their_files(ledger: Ledger, settings: Settings) -> None:
    old, young = a_run(ledger, NOW - 100 * DAY), a_run(ledger, NOW - 10 * DAY)
    for run_id in (old, young):
        settings.artifacts(run_id).mkdir(parents=True)
        settings.reports.mkdir(exist_ok=True)
        (settings.reports / f"{run_id}.html").write_text("page")
    done = upkeep.retain(settings, ledger, 90, NOW)
    assert done == {"runs_forgotten": 1, "logs_put_aside": 0}
    with pytest.raises(NameUnknown):
        ledger.run(old)
    assert ledger.run(young)["tables"][0]["read"] == 1
    assert [path.name for path in settings.reports.iterdir()] == [f"{young}.html"]
    assert not settings.artifacts(old).exists()


def test_micro_batches_that_found_nothing_go_after_two_days(
    ledger: Ledger, settings: Settings
) -> None:
    idle = [
        a_run(ledger, NOW - 3 * DAY + timedelta(seconds=n), "micro_batch", read=0) for n in range(3)
    ]
    busy = a_run(ledger, NOW - 4 * DAY, "micro_batch", read=5)
    nightly = a_run(ledger, NOW - 3 * DAY, "nightly", read=0)
    assert upkeep.retain(settings, ledger, 90, NOW)["runs_forgotten"] == len(idle)
    assert {run["id"] for run in ledger.runs()} == {busy, nightly}


def test_a_log_that_grew_is_put_aside(
    ledger: Ledger, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "LOG_BYTES", 10)
    settings.logs.mkdir()
    (settings.logs / "tidemill.jsonl").write_text("x" * 11)
    (settings.logs / "dbt.log").write_text("x")
    assert upkeep.retain(settings, ledger, 90, NOW)["logs_put_aside"] == 1
    assert sorted(path.name for path in settings.logs.iterdir()) == [
        "dbt.log",
        "tidemill.jsonl.old",
    ]


@pytest.fixture
def warehouse(settings: Settings) -> Settings:
    """A warehouse of which most rows were deleted, with a view over it."""
    with duckdb.connect(str(settings.target.path)) as connection:
        connection.execute("create schema raw; create schema marts")
        connection.execute("create table raw.t (id bigint primary key, word text)")
        connection.execute("insert into raw.t select range, md5(range::text) from range(300_000)")
        connection.execute("checkpoint")
        connection.execute("delete from raw.t where id >= 10")
        connection.execute("create view marts.v as select count(*) as n from warehouse.raw.t")
    return settings


def test_a_compacted_warehouse_is_smaller_and_the_same(warehouse: Settings) -> None:
    done = upkeep.compact(warehouse.target)
    assert done["after"] < done["before"] / 2
    with duckdb.connect(str(warehouse.target.path)) as connection:
        assert connection.execute("select n from marts.v").fetchone() == (10,)
        with pytest.raises(duckdb.ConstraintException):
            connection.execute("insert into raw.t values (1, 'again')")


def test_a_backup_holds_warehouse_and_ledger_and_the_oldest_goes(
    warehouse: Settings, ledger: Ledger
) -> None:
    a_run(ledger, NOW)
    names = [upkeep.backup(warehouse, f"run-{number}", keep=2)["backup"] for number in range(3)]
    kept = sorted(path.name for path in (warehouse.var / "backups").iterdir())
    assert kept == [
        "duckdb-run-1.duckdb",
        "duckdb-run-1.ledger.sqlite",
        "duckdb-run-2.duckdb",
        "duckdb-run-2.ledger.sqlite",
    ]
    with duckdb.connect() as connection:
        connection.execute(f"attach '{names[-1]}' as warehouse (read_only)")
        assert connection.execute("select n from warehouse.marts.v").fetchone() == (10,)
