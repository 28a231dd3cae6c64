"""Every expected error is one sentence and an exit code; every answer can be had in JSON."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from orchestration import lease
from orchestration.cli import main
from orchestration.jobs import JOBS
from orchestration.lease import Claim, End
from orchestration.ledger import Ledger
from orchestration.outcome import Delivery, Outcome, Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def state(tmp_path: Path) -> Iterator[Path]:
    """An empty state directory, and the environment as it was afterwards."""
    before = dict(os.environ)
    for name in [name for name in before if name.startswith(("TIDEMILL_", "PG"))]:
        del os.environ[name]
    os.environ["TIDEMILL_VAR"] = str(tmp_path)
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def run_id(state: Path) -> Iterator[str]:
    """A completed daily run in the ledger of the state directory."""
    ledger = Ledger.open(f"sqlite:///{state / 'ledger.sqlite'}")
    claim = Claim(
        name="daily", job=JOBS["daily"], target="duckdb", warehouse=str(state / "warehouse.duckdb")
    )
    run_id = lease.start(ledger, claim, NOW)
    table = Table(source="shop_api", table="users", read=2003, loaded=2000, collapsed=1, rejected=2)
    sent = Delivery(
        output="crm_users",
        model="out_crm__users",
        destination="http://crm",
        successful=9,
        failed=1,
        skipped=0,
    )
    ledger.complete_step(run_id, "load shop_api", Outcome(tables=(table,)), seconds=1.25)
    detail = {"built": 15, "tests_passed": 40, "tests_failed": 0, "tests_warned": 1}
    ledger.complete_step(run_id, "transform", Outcome(detail=detail), seconds=2.0)
    ledger.complete_step(run_id, "deliver crm_users", Outcome(deliveries=(sent,)), seconds=0.5)
    lease.finish(ledger, run_id, End(status="completed"), NOW)
    ledger.close()
    return run_id


def tell(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "dayly"], "No job named 'dayly'. Known: "),
        (["load", "shopp"], "No source named 'shopp'. Known: event_files, "),
        (["deliver", "crn"], "No output named 'crn'. Known: crm_users, reporting_db, sales_files."),
        (["status", "--target", "oracle"], "No target named 'oracle'"),
        (["resume"], "Nothing to resume: every run of the last 50 has completed."),
        (["resume", "abc"], "No run 'abc': no run goes by it. `tidemill runs` lists them."),
        (["runs", "--job", "dayly"], "No job named 'dayly'."),
    ],
)
def test_an_expected_error_is_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(*arguments) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"Error: {sentence}")
    assert told.count("\n") == 1


def test_an_error_is_told_in_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell("resume", "--json") == 1
    assert json.loads(capsys.readouterr().out)["error"].startswith("Nothing to resume")


def test_debug_shows_the_traceback() -> None:
    with pytest.raises(Exception, match="Nothing to resume"):
        main(["resume", "--debug"])


def test_a_wrong_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell("status", "--nonsense") == 2
    assert "No such option: --nonsense" in capsys.readouterr().err


def test_status_in_json_has_the_account(run_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tell("status", "--json") == 0
    run = json.loads(capsys.readouterr().out)["runs"][0]
    assert run["id"] == run_id
    assert run["job"] == "daily"
    assert run["tables"] == [
        {
            "source": "shop_api",
            "table": "users",
            "read": 2003,
            "loaded": 2000,
            "collapsed": 1,
            "rejected": 2,
        }
    ]
    assert (run["records_processed"], run["records_rejected"]) == (2003, 2)
    assert run["started_at"] == "2026-01-02T03:04:05+00:00"
    assert [step["name"] for step in run["steps"]] == JOBS["daily"].names()


def test_status_for_people_has_no_colours_in_a_pipe(
    run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell("status") == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "  shop_api  users  2,003   2,000          1         2\n" in told
    assert f"Run {run_id} (daily) completed in 0.0 s: 15 models built, 40 tests passed" in told
    assert "1 with warnings" in told


def test_status_of_nothing_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell("status") == 0
    assert capsys.readouterr().out.startswith("No run yet. `tidemill demo` makes one")


def test_a_run_that_ended_cannot_be_cancelled(
    run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell("cancel", run_id) == 1
    assert f"Cannot cancel the run '{run_id}': it is completed." in capsys.readouterr().err


def test_jobs_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell("jobs", "--json") == 0
    assert json.loads(capsys.readouterr().out)["jobs"]["daily"] == JOBS["daily"].names()


def test_a_state_directory_that_cannot_be_written_to_is_told(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (state / "file").write_text("")
    os.environ["TIDEMILL_VAR"] = str(state / "file" / "var")
    assert tell("status") == 1
    assert "Error: Cannot use" in capsys.readouterr().err
