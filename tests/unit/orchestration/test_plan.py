"""A job's steps start when what they need is done, and a run's status follows from theirs."""

from __future__ import annotations

import pytest

from orchestration import plan
from orchestration.errors import JobInvalid
from orchestration.plan import Job, Retry, Step

LOAD_A = Step(kind="load", argument="a")
LOAD_B = Step(kind="load", argument="b")
BUILD = Step(kind="transform", needs=("load a", "load b"))
REPORT = Step(kind="report", after=("transform",))
STEPS = (LOAD_A, LOAD_B, BUILD, REPORT)


def statuses(*values: str) -> dict[str, str]:
    return dict(zip([step.name for step in STEPS], values, strict=True))


def test_independent_steps_are_ready_at_once() -> None:
    assert plan.ready(STEPS, statuses(*["pending"] * 4)) == [LOAD_A, LOAD_B]


def test_a_step_waits_for_all_it_needs() -> None:
    assert plan.ready(STEPS, statuses("completed", "running", "pending", "pending")) == []
    assert plan.ready(STEPS, statuses("completed", "completed", "pending", "pending")) == [BUILD]


def test_a_failed_step_strands_what_stands_on_it_and_nothing_else() -> None:
    now = statuses("failed", "completed", "pending", "pending")
    assert plan.stranded(STEPS, now) == [BUILD]
    assert plan.ready(STEPS, now) == []


def test_a_step_that_only_comes_after_starts_whatever_happened() -> None:
    assert plan.ready(STEPS, statuses("failed", "completed", "skipped", "pending")) == [REPORT]


@pytest.mark.parametrize(
    ("ends", "status"),
    [
        (["completed", "completed"], "completed"),
        (["completed", "failed"], "partial"),
        (["failed", "skipped", "completed"], "failed"),
        (["failed"], "failed"),
        (["completed", "cancelled"], "cancelled"),
        (["completed", "pending"], "cancelled"),
    ],
)
def test_verdict(ends: list[str], status: str) -> None:
    assert plan.verdict(ends) == status


def test_a_need_that_does_not_exist_is_refused() -> None:
    with pytest.raises(JobInvalid, match="needs 'load x', which is no step before it"):
        Job(steps=(LOAD_A, Step(kind="transform", needs=("load x",))))


def test_two_steps_of_one_name_are_refused() -> None:
    with pytest.raises(JobInvalid, match="Two steps are named 'load a'"):
        Job(steps=(LOAD_A, LOAD_A))


def test_pauses_double_are_jittered_and_have_a_limit() -> None:
    retry = Retry(wait=60, longest=200)
    assert [retry.pause(attempt, chance=0) for attempt in (1, 2, 3, 4)] == [60, 120, 200, 200]
    assert retry.pause(1, chance=1) == 75
    assert 60 <= retry.pause(1) <= 75
