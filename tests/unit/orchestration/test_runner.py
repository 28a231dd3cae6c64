"""A run does its steps in order, records each, and goes on after a failure where it stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from loaders.warehouse import Target
from orchestration import commands
from orchestration.errors import AlreadyRunning, NameUnknown, StepFailed
from orchestration.halt import Halt
from orchestration.outcome import Delivery, Outcome, Table
from orchestration.plan import Job, Retry, Step
from orchestration.runner import Runner
from orchestration.schedule import Schedule

if TYPE_CHECKING:
    from orchestration.events import Event
    from orchestration.ledger import Ledger
    from orchestration.settings import Settings

Steps = dict[str, Any]
RunnerOf = Callable[..., Runner]

JOB = Job(
    retry=Retry(attempts=3, wait=60),
    steps=(
        Step(kind="load", argument="a"),
        Step(kind="load", argument="b"),
        Step(kind="transform", needs=("load a", "load b")),
        Step(kind="deliver", argument="crm", needs=("transform",)),
        Step(kind="report", after=("deliver crm",)),
    ),
)
USERS = Table(source="a", table="users", read=10, loaded=7, collapsed=1, rejected=2)
COUNTED = {name: value for name, value in vars(USERS).items() if name != "load_id"}
SENT = Delivery(
    output="crm",
    model="out_crm__users",
    destination="http://crm",
    successful=5,
    failed=1,
    skipped=0,
)


def nothing(_: Any) -> Outcome:
    return Outcome()


def refuse(*_: Any) -> Outcome:
    raise StepFailed("The source 'b' does not answer. Start it.")


@pytest.fixture
def good() -> Steps:
    return {
        "load_a": lambda _: Outcome(tables=(USERS,)),
        "load_b": nothing,
        "transform": lambda _: Outcome(detail={"built": 3}),
        "deliver_crm": lambda _: Outcome(deliveries=(SENT,)),
        "report": nothing,
    }


@pytest.fixture
def runner_of(settings: Settings, ledger: Ledger, clock: Any, functions: Any) -> RunnerOf:
    def make(steps: dict[str, Any], *listeners: Any) -> Runner:
        return Runner(
            settings=settings,
            ledger=ledger,
            executor=functions(**steps),
            listeners=listeners,
            clock=clock,
        )

    return make


def statuses(run: dict[str, Any]) -> list[str]:
    return [step["status"] for step in run["steps"]]


def test_a_good_run_is_recorded_in_full(runner_of: RunnerOf, good: Steps) -> None:
    run = runner_of(good).run("daily", JOB)
    assert run["status"] == "completed"
    assert statuses(run) == ["completed"] * 5
    assert run["tables"] == [COUNTED]
    assert (run["records_processed"], run["records_rejected"]) == (10, 2)
    assert run["deliveries"] == [{**vars(SENT), "files": []}]
    assert run["steps"][2]["detail"] == {"built": 3}
    assert run["completed_at"] is not None
    assert run["error"] is None


def test_steps_run_in_the_order_of_their_needs(runner_of: RunnerOf, good: Steps) -> None:
    runner = runner_of(good)
    runner.run("daily", JOB)
    assert set(runner.executor.calls[:2]) == {"load a", "load b"}
    assert runner.executor.calls[2:] == ["transform", "deliver crm", "report"]


def test_independent_steps_run_side_by_side(runner_of: RunnerOf, good: Steps) -> None:
    both = threading.Barrier(2, timeout=60)

    def meet(_: Any) -> Outcome:
        both.wait()
        return Outcome()

    run = runner_of({**good, "load_a": meet, "load_b": meet}).run("daily", JOB)
    assert run["status"] == "completed"


def test_what_failed_stops_what_stands_on_it_and_nothing_else(
    runner_of: RunnerOf, good: Steps
) -> None:
    run = runner_of({**good, "load_b": refuse}).run("daily", JOB)
    assert statuses(run) == ["completed", "failed", "skipped", "skipped", "completed"]
    assert run["status"] == "failed"
    assert run["error"] == "load b: The source 'b' does not answer. Start it."
    assert run["steps"][2]["error"] == "Left out: it stands on 'load b', which has not completed."
    assert run["tables"] == [COUNTED]


def test_resume_does_only_what_is_missing(runner_of: RunnerOf, good: Steps, ledger: Ledger) -> None:
    failed = runner_of({**good, "load_b": refuse}).run("daily", JOB)
    runner = runner_of(good)
    run = runner.resume(failed, JOB)
    assert runner.executor.calls == ["load b", "transform", "deliver crm"]
    assert run["id"] == failed["id"]
    assert run["status"] == "completed"
    assert statuses(run) == ["completed"] * 5
    assert len(ledger.runs()) == 1


def test_an_error_that_can_be_retried_is(runner_of: RunnerOf, good: Steps, clock: Any) -> None:
    answers = iter([StepFailed("busy", retryable=True), StepFailed("busy", retryable=True), None])

    def third_time(_: Any) -> Outcome:
        if error := next(answers):
            raise error
        return Outcome()

    run = runner_of({**good, "load_b": third_time}).run("daily", JOB)
    assert run["status"] == "completed"
    assert run["steps"][1]["attempts"] == 3
    first, second = clock.waits
    assert 60 <= first <= 75
    assert 120 <= second <= 150


def test_an_error_that_cannot_be_retried_is_not(
    runner_of: RunnerOf, good: Steps, clock: Any
) -> None:
    run = runner_of({**good, "load_b": refuse}).run("daily", JOB)
    assert run["steps"][1]["attempts"] == 1
    assert clock.waits == []


def test_what_a_failed_delivery_sent_is_counted_over_its_attempts(
    runner_of: RunnerOf, good: Steps
) -> None:
    answers = iter([(4, 2), (1, 1)])

    def give_up(_: Any) -> Outcome:
        sent, refused = next(answers)
        done = Outcome(deliveries=(replace(SENT, successful=sent, failed=refused),))
        raise StepFailed("The CRM went away.", retryable=True, outcome=done)

    job = replace(JOB, retry=Retry(attempts=2, wait=1))
    run = runner_of({**good, "deliver_crm": give_up}).run("daily", job)
    assert run["status"] == "partial"
    assert [(row["successful"], row["failed"]) for row in run["deliveries"]] == [(5, 1)]


def test_resume_keeps_the_batch_size(runner_of: RunnerOf, good: Steps) -> None:
    seen: list[int | None] = []

    def look(request: Any) -> Outcome:
        seen.append(request.batch_size)
        raise StepFailed("Not yet.")

    failed = runner_of({**good, "load_b": look}).run("daily", replace(JOB, batch_size=17))
    runner_of({**good, "load_b": look}).resume(failed, JOB)
    assert seen == [17, 17]


def test_a_failed_delivery_makes_a_run_partial(runner_of: RunnerOf, good: Steps) -> None:
    run = runner_of({**good, "deliver_crm": refuse}).run("daily", JOB)
    assert run["status"] == "partial"


def test_a_run_that_is_stopped_is_cancelled_and_can_be_resumed(
    runner_of: RunnerOf, good: Steps
) -> None:
    halt = Halt()

    def last_wish(_: Any) -> Outcome:
        halt.ask(at_once=False)
        return Outcome()

    run = runner_of({**good, "transform": last_wish}).run("daily", JOB, halt=halt)
    assert run["status"] == "cancelled"
    assert statuses(run) == ["completed"] * 3 + ["cancelled"] * 2
    assert runner_of(good).resume(run, JOB)["status"] == "completed"


def test_a_second_run_of_the_job_is_refused_while_the_first_works(
    runner_of: RunnerOf, good: Steps
) -> None:
    seen: list[str] = []

    def start_another(_: Any) -> Outcome:
        with pytest.raises(AlreadyRunning, match=r"Cannot start the job 'daily': the run 2026"):
            runner_of(good).run("daily", JOB)
        seen.append("refused")
        return Outcome()

    run = runner_of({**good, "transform": start_another}).run("daily", JOB)
    assert (run["status"], seen) == ("completed", ["refused"])


def test_listeners_hear_of_every_step(runner_of: RunnerOf, good: Steps) -> None:
    heard: list[Event] = []
    runner_of(good, heard.append).run("daily", JOB)
    names = [event.name for event in heard]
    assert names[0] == "run_started"
    assert names[-1] == "run_ended"
    assert names.count("step_started") == names.count("step_ended") == 5
    assert heard[-1].fields["record"]["status"] == "completed"


def test_a_step_that_breaks_is_a_failed_step(runner_of: RunnerOf, good: Steps) -> None:
    run = runner_of({**good, "load_b": lambda _: 1 / 0}).run("daily", JOB)
    assert run["steps"][1]["status"] == "failed"
    assert run["steps"][1]["error"] == "division by zero"


@pytest.mark.parametrize(
    ("catch_up", "status", "told"),
    [
        (
            "none",
            "cancelled",
            "load b: Left to the next run: others wrote to the warehouse for 270 s.",
        ),
        ("latest", "failed", "load b: Another run has been writing."),
    ],
)
def test_what_stood_in_line_in_vain_is_left_to_the_next_run_where_one_comes_soon(
    runner_of: RunnerOf, good: Steps, catch_up: str, status: str, told: str
) -> None:
    def busy(_: Any) -> Outcome:
        raise StepFailed("Another run has been writing.", detail={"busy": 270.4})

    job = replace(JOB, retry=Retry(attempts=1), schedule=Schedule(every=10, catch_up=catch_up))
    run = runner_of({**good, "load_b": busy}).run("often", job)
    assert (run["status"], run["error"], run["interrupted"]) == (status, told, False)
    statuses = {step["name"]: step["status"] for step in run["steps"]}
    assert (statuses["load a"], statuses["load b"]) == ("completed", status)
    assert statuses["transform"] == "skipped"


def test_a_run_of_another_warehouse_is_not_resumed_here(
    runner_of: RunnerOf, good: Steps, ledger: Ledger, settings: Settings
) -> None:
    there = Target(name="other", kind="duckdb", path=settings.var / "other.duckdb")
    runner = runner_of({**good, "transform": refuse})
    elsewhere = replace(runner, settings=replace(settings, target=there))
    run = elsewhere.run("daily", JOB)
    with pytest.raises(NameUnknown, match=r"it was begun on .*Give --target other"):
        commands.go_on(runner, run["id"], commands.How(), Halt())
    with pytest.raises(NameUnknown, match="Nothing to resume"):
        commands.go_on(runner, None, commands.How(), Halt())
    assert ledger.run(run["id"])["status"] == "failed"
