"""With --json every command writes one JSON document to standard output, and nothing beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
import typer.main

from orchestration import commands, lease, plan
from orchestration.cli import app
from orchestration.jobs import JOBS
from orchestration.lease import Claim, End
from orchestration.ledger import Ledger
from tests.unit.orchestration.test_cli import NOW, run_id, state, tell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["run_id", "state"]

SILENT: Final = {"schedule", "serve", "shop"}
"""They go on until they are stopped, and answer nothing."""
UNKNOWN_TARGET: Final = "--target oracle"
EXAMPLES: Final = {
    "demo": {UNKNOWN_TARGET: 1, "--scale 0": 2},
    "run": {"dayly": 1, "": 2},
    "resume": {"": 1, "--attempts 0": 2},
    "retry-failed": {"": 0, UNKNOWN_TARGET: 1},
    "transform": {UNKNOWN_TARGET: 1},
    "publish": {UNKNOWN_TARGET: 1},
    "status": {"": 0, UNKNOWN_TARGET: 1, "--limit some": 2},
    "runs": {"": 0, "--job dayly": 1},
    "jobs": {"": 0, "--nonsense": 2},
    "doctor": {"--nonsense": 2},
    "next": {"": 0, "--hours 0": 2},
    "logs": {"": 0, "nowhere": 1},
    "cancel": {"nowhere": 1, "": 2},
    "load": {"shopp": 1, "": 2},
    "backfill": {"shopp.users --from 2026-01-01 --to 2026-02-01": 1, "shop_db.orders": 2},
    "deliver": {"crn": 1, "": 2},
    "refused": {"crn": 1, "crm_users": 0},
    "convert": {"nowhere.csv out.parquet": 1, "nowhere.csv": 2},
    "quarantine list": {"": 0, "--since yesterday": 2},
    "quarantine show": {"nowhere": 1, "": 2},
    "quarantine replay": {"nowhere": 1, UNKNOWN_TARGET: 1},
    "quarantine dismiss": {"nowhere --note gone": 1, "": 2},
    "token make": {"reader --scope read": 0, "reader --scope nonsense": 1, "": 2},
    "token list": {"": 0, "--nonsense": 2},
    "token revoke": {"nowhere": 1, "": 2},
}
"""Each command, what follows it, and the exit code then: in a state directory with one run."""


def leaves(command: Any, before: str = "") -> Iterator[tuple[str, set[str]]]:
    """Yield each command's words, and the names of what it takes."""
    below = getattr(command, "commands", None)
    if below is None:
        yield before.strip(), {parameter.name for parameter in command.params}
    for name, child in (below or {}).items():
        yield from leaves(child, f"{before} {name}")


COMMANDS: Final = dict(leaves(typer.main.get_command(app)))


def test_every_command_that_answers_takes_json_and_is_tried_here() -> None:
    assert {name for name, takes in COMMANDS.items() if "json" not in takes} == SILENT
    assert set(EXAMPLES) == set(COMMANDS) - SILENT


@pytest.mark.usefixtures("run_id")
@pytest.mark.parametrize(
    ("command", "rest", "code"),
    [(name, rest, code) for name, ends in EXAMPLES.items() for rest, code in ends.items()],
)
def test_one_document_and_nothing_else(
    command: str, rest: str, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    assert tell(*command.split(), *rest.split(), "--json") == code
    captured = capfd.readouterr()
    answer = json.loads(captured.out)
    assert ("error" in answer) == (code in {1, 2})
    if code:
        assert answer["error"].split(".")[0] in captured.err


def test_several_resumed_runs_are_one_document(
    state: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ledger = Ledger.open(f"sqlite:///{state / 'ledger.sqlite'}")
    place = str(state / "warehouse.duckdb")
    for name in ("daily", "pending"):
        claim = Claim(name=name, job=JOBS[name], target="duckdb", warehouse=place)
        run = lease.start(ledger, claim, NOW)
        lease.finish(ledger, run, End(status=plan.FAILED), NOW)
    ledger.close()
    ended = {"daily": plan.COMPLETED, "pending": plan.PARTIAL}

    def resume(_runner: object, run: dict[str, Any], *_: object, **__: object) -> dict[str, Any]:
        return {**run, "status": ended[run["job"]]}

    monkeypatch.setattr(commands.Runner, "resume", resume)
    assert tell("retry-failed", "--json") == 3
    resumed = json.loads(capfd.readouterr().out)["resumed"]
    assert {run["job"]: run["status"] for run in resumed} == ended
