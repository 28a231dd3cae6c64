"""dbt builds in a child, tells what failed, goes on where it stopped, and frees DuckDB."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from orchestration import audit, dbt
from orchestration.errors import StepFailed
from orchestration.steps import Request

if TYPE_CHECKING:
    from orchestration.outcome import Outcome
    from orchestration.settings import Settings
    from orchestration.workers import Workers

RequestOf = Callable[..., Request]
BROKEN = "select id, id * 2 as doubled from {{ ref('numbers') }} union all select 1, 2"
GOOD = "select id, id * 2 as doubled from {{ ref('numbers') }}"


def build(workers: Workers, request: Request, heard: list[dict[str, Any]] | None = None) -> Outcome:
    emit = heard.append if heard is not None else lambda _: None
    return workers.execute(request, timeout=300, stop=threading.Event(), emit=emit)


def names(outcome: Outcome) -> set[str]:
    return {model["name"] for model in outcome.detail["models"]}


def test_dbt_behind_its_seam(
    dbt_workers: Workers, request_of: RequestOf, settings: Settings, home: Path
) -> None:
    """One long test: a dbt start takes seconds, and its warm process is what is tested."""
    heard: list[dict[str, Any]] = []
    outcome = build(dbt_workers, request_of("transform", run_id="good"), heard)
    assert (outcome.detail["built"], outcome.detail["tests_passed"]) == (3, 2)
    assert names(outcome) == {"numbers", "doubled", "last"}

    counts = [event["nodes"] for event in heard if "nodes" in event]
    ended = [event["node"] for event in heard if event.get("state") in {"success", "pass"}]
    assert counts == [5]
    assert len(ended) == 5

    with duckdb.connect(str(settings.target.path)) as connection:
        assert connection.execute("select count(*) from staging.doubled").fetchone() == (2,)

    kept = settings.artifacts("good") / "dbt"
    assert sorted(path.name for path in kept.iterdir()) == ["run_results.json"]

    model = home / "dbt_project" / "models" / "doubled.sql"
    model.write_text(BROKEN)
    with pytest.raises(StepFailed) as caught:
        build(dbt_workers, request_of("transform", run_id="bad"))
    assert "The test 'unique of doubled.id' failed: 1 row breaks it." in str(caught.value)
    assert "`tidemill resume` goes on from here" in str(caught.value)
    compiled = Path(caught.value.detail["failures"][0]["compiled"])
    assert compiled.name == "unique_doubled_id.sql"
    assert "doubled" in compiled.read_text()
    assert not caught.value.can_be_retried

    model.write_text(GOOD)
    again = build(dbt_workers, request_of("transform", run_id="bad"))
    assert names(again) == {"doubled", "last"}
    assert again.detail["tests_passed"] == 2

    model.write_text("select nonsense from {{ ref('numbers') }}")
    with pytest.raises(StepFailed, match=r"The model 'doubled' could not be built: .*nonsense"):
        build(dbt_workers, request_of("transform", run_id="worse"))

    model.write_text("select id from {{ ref('nombers') }}")
    with pytest.raises(StepFailed, match="depends on a node named 'nombers'"):
        build(dbt_workers, request_of("transform", "last", run_id="worst"))

    model.write_text("select {{ nonsense(")
    with pytest.raises(StepFailed, match=r"dbt could not begin to build .*doubled.sql"):
        build(dbt_workers, request_of("transform", "last", run_id="worst"))
    assert audit.marks(settings.target) == [("", "worse")]

    model.write_text(GOOD)
    selected = build(dbt_workers, request_of("transform", "doubled", run_id="some"))
    assert names(selected) == {"doubled"}
    assert selected.detail["notices"] == []

    nothing = build(dbt_workers, request_of("transform", "nobody", run_id="none"))
    assert nothing.detail["built"] == 0
    assert nothing.detail["notices"] == ["'nobody' selects nothing: no model of it is built"]


def test_a_file_that_came_by_a_copy_with_an_old_time_is_a_change(settings: Settings) -> None:
    seen = [dbt.fingerprint(settings)]
    model = settings.project / "models" / "numbers.sql"
    model.write_text(f"{model.read_text()}-- another\n")
    os.utime(model, (0, 0))
    seen.append(dbt.fingerprint(settings))
    (settings.project / "models" / "last.sql").unlink()
    seen.append(dbt.fingerprint(settings))
    assert len(set(seen)) == 3
    assert dbt.fingerprint(settings) == seen[-1]
