"""The scheduler starts what is due, once, and remembers it in the ledger across restarts."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from orchestration import lease
from orchestration.errors import LedgerFailed, StepFailed
from orchestration.halt import Halt
from orchestration.outcome import Outcome
from orchestration.plan import Job, Need, Step
from orchestration.runner import Runner
from orchestration.schedule import Schedule
from orchestration.scheduler import AWAY, Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.ledger import Ledger
    from orchestration.settings import Settings

LOAD = Step(kind="load", argument="a")
HOUR = timedelta(hours=1)


def hourly(**more: Any) -> Job:
    needs = more.pop("needs", ())
    return Job(steps=(LOAD,), needs=needs, schedule=Schedule(cron="0 * * * *", **more))


@pytest.fixture
def heard() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def scheduler_of(
    settings: Settings, ledger: Ledger, clock: Any, functions: Any, heard: list[dict[str, Any]]
) -> Callable[..., Scheduler]:
    def make(work: Any = lambda _: Outcome(), **jobs: Job) -> Scheduler:
        runner = Runner(
            settings=settings, ledger=ledger, executor=functions(load_a=work), clock=clock
        )
        return Scheduler(
            jobs=jobs,
            runner=runner,
            halt=Halt(),
            tell=lambda name, **fields: heard.append({"event": name, **fields}),
        )

    return make


def tick(scheduler: Scheduler, *, wait: bool = True) -> None:
    scheduler.tick(scheduler.runner.clock.now())
    if wait:
        join(scheduler)


def join(scheduler: Scheduler) -> None:
    for thread in scheduler.active.values():
        thread.join()


def times(ledger: Ledger) -> list[str]:
    return sorted(f"{run['scheduled_for']:%H:%M}" for run in ledger.runs())


def test_a_new_schedule_does_not_catch_up_the_past(
    scheduler_of: Any, ledger: Ledger, clock: Any
) -> None:
    scheduler = scheduler_of(hourly=hourly())
    tick(scheduler)
    assert ledger.runs() == []
    clock.time += HOUR
    tick(scheduler)
    assert times(ledger) == ["04:00"]


def test_a_time_fires_once_however_often_one_looks(
    scheduler_of: Any, ledger: Ledger, clock: Any
) -> None:
    scheduler = scheduler_of(hourly=hourly())
    tick(scheduler)
    for _ in range(3 * 60):
        clock.time += timedelta(minutes=1)
        tick(scheduler)
    assert times(ledger) == ["04:00", "05:00", "06:00"]
    assert {run["trigger"] for run in ledger.runs()} == {"schedule"}


def test_two_schedulers_fire_a_time_once(
    scheduler_of: Any, ledger: Ledger, clock: Any, heard: list[dict[str, Any]]
) -> None:
    first, second = scheduler_of(hourly=hourly()), scheduler_of(hourly=hourly())
    tick(first)
    clock.time += HOUR
    time = clock.now()
    second._start("hourly", lambda: second._fire("hourly", hourly(), time))
    join(second)
    first._start("hourly", lambda: first._fire("hourly", hourly(), time))
    join(first)
    assert times(ledger) == ["04:00"]
    assert [event["event"] for event in heard] == ["fire_skipped"]


def test_a_restart_goes_on_where_the_last_one_was(
    scheduler_of: Any, ledger: Ledger, clock: Any
) -> None:
    tick(scheduler_of(hourly=hourly(catch_up="all")))
    clock.time += 3 * HOUR
    later = scheduler_of(hourly=hourly(catch_up="all"))
    for _ in range(4):
        tick(later)
    assert times(ledger) == ["04:00", "05:00", "06:00"]


def test_an_edited_schedule_counts_from_its_edit(
    scheduler_of: Any, ledger: Ledger, clock: Any
) -> None:
    tick(scheduler_of(hourly=hourly()))
    clock.time += timedelta(hours=5, minutes=30)
    half = Job(steps=(LOAD,), schedule=Schedule(cron="15,45 * * * *", catch_up="all"))
    edited = scheduler_of(hourly=half)
    tick(edited)
    assert ledger.runs() == []
    clock.time += timedelta(minutes=15)
    tick(edited)
    assert times(ledger) == ["08:45"]


@pytest.mark.parametrize(("overlap", "fired"), [("skip", ["04:00"]), ("queue", ["04:00", "05:00"])])
def test_a_time_that_comes_during_a_run(
    scheduler_of: Any, ledger: Ledger, clock: Any, overlap: str, fired: list[str]
) -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(_: Any) -> Outcome:
        begun.set()
        go.wait(60)
        return Outcome()

    scheduler = scheduler_of(slow, hourly=hourly(overlap=overlap))
    tick(scheduler)
    clock.time += HOUR
    tick(scheduler, wait=False)
    assert begun.wait(60)
    clock.time += HOUR
    tick(scheduler, wait=False)
    go.set()
    join(scheduler)
    tick(scheduler)
    assert times(ledger) == fired


@pytest.mark.parametrize(("overlap", "fired"), [("skip", []), ("queue", ["04:00"])])
def test_a_time_that_comes_while_the_job_runs_by_hand(
    scheduler_of: Any, ledger: Ledger, clock: Any, heard: Any, overlap: str, fired: list[str]
) -> None:
    scheduler = scheduler_of(hourly=hourly(overlap=overlap))
    tick(scheduler)
    claim = lease.Claim(
        name="hourly",
        job=hourly(),
        target=scheduler.runner.settings.target.name,
        warehouse=scheduler.warehouse,
    )
    by_hand = lease.start(ledger, claim, clock.now())
    clock.time += HOUR
    tick(scheduler)
    tick(scheduler)
    assert [event["event"] for event in heard] == [
        "fire_skipped" if overlap == "skip" else "fire_waits"
    ]
    lease.finish(ledger, by_hand, lease.End(status="completed"), clock.now())
    tick(scheduler)
    tick(scheduler)
    scheduled = [run["scheduled_for"] for run in ledger.runs() if run["scheduled_for"]]
    assert [f"{time:%H:%M}" for time in scheduled] == fired


def test_a_job_waits_for_the_success_of_another(
    scheduler_of: Any, ledger: Ledger, clock: Any, heard: list[dict[str, Any]]
) -> None:
    needy = hourly(needs=(Need(job="first", within=7200),))
    scheduler = scheduler_of(needy=needy)
    tick(scheduler)
    clock.time += HOUR
    tick(scheduler)
    tick(scheduler)
    assert ledger.runs() == []
    assert [event["reason"] for event in heard] == [
        "'needy' needs 'first', which has never completed."
    ]
    scheduler.runner.run("first", Job(steps=(LOAD,)))
    tick(scheduler)
    assert [run["job"] for run in ledger.runs()].count("needy") == 1


def test_a_run_that_fails_does_not_stop_the_scheduler(
    scheduler_of: Any, ledger: Ledger, clock: Any
) -> None:
    def refuse(_: Any) -> Outcome:
        raise StepFailed("no")

    scheduler = scheduler_of(refuse, hourly=hourly())
    tick(scheduler)
    for _ in range(2):
        clock.time += HOUR
        tick(scheduler)
    assert [run["status"] for run in ledger.runs()] == ["failed", "failed"]


def test_a_stop_lets_the_step_finish_and_the_next_start_goes_on(
    scheduler_of: Any, ledger: Ledger, clock: Any
) -> None:
    two = Job(steps=(LOAD, Step(kind="load", argument="b")), schedule=Schedule(cron="0 * * * *"))
    chained = Job(
        steps=(LOAD, Step(kind="load", argument="b", needs=("load a",))), schedule=two.schedule
    )
    scheduler = scheduler_of(hourly=chained)
    scheduler.runner.executor.functions["load b"] = lambda _: Outcome()

    def stop_meanwhile(_: Any) -> Outcome:
        scheduler.halt.ask(at_once=False)
        return Outcome()

    scheduler.runner.executor.functions["load a"] = stop_meanwhile
    tick(scheduler)
    clock.time += HOUR
    tick(scheduler)
    run = ledger.runs()[0]
    assert (run["status"], run["interrupted"]) == ("cancelled", True)
    assert [step["status"] for step in run["steps"]] == ["completed", "cancelled"]

    again = scheduler_of(hourly=chained)
    again.runner.executor.functions["load b"] = lambda _: Outcome()
    again.go_on(clock.now())
    join(again)
    assert again.runner.executor.calls == ["load b"]
    assert ledger.runs()[0]["status"] == "completed"


def test_a_run_whose_thread_broke_is_buried_though_the_scheduler_lives(
    scheduler_of: Any, ledger: Ledger, clock: Any
) -> None:
    scheduler = scheduler_of(hourly=hourly())
    claim = lease.Claim(name="hourly", job=hourly(), target="duckdb", warehouse=scheduler.warehouse)
    run_id = lease.start(ledger, claim, clock.now())
    with lease.held(run_id):
        tick(scheduler)
        assert ledger.run(run_id)["status"] == "running"
    tick(scheduler)
    assert ledger.run(run_id)["status"] == "failed"


def test_the_next_look_is_at_the_next_time_or_soon_enough_to_see_a_jump(
    scheduler_of: Any, clock: Any
) -> None:
    scheduler = scheduler_of(hourly=hourly())
    assert scheduler.pause(clock.now()) == 30.0
    clock.time += timedelta(minutes=59, seconds=55)
    assert scheduler.pause(clock.now()) == 5.0


def test_a_ledger_that_is_away_is_waited_for(
    scheduler_of: Any, ledger: Ledger, clock: Any, heard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = scheduler_of(hourly=hourly())
    scheduler.look(clock.now())
    clock.time += HOUR
    away = LedgerFailed("Cannot use the ledger: it is away.")
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "transaction", Mock(side_effect=away))
        assert [scheduler.look(clock.now()) for _ in range(3)] == [AWAY] * 3
    assert [(each["event"], each["reason"]) for each in heard] == [("fire_waits", str(away))]
    scheduler.look(clock.now())
    join(scheduler)
    assert times(ledger) == ["04:00"]


def test_what_was_cut_short_is_taken_up_whatever_other_warehouses_did(
    scheduler_of: Any, ledger: Ledger, clock: Any
) -> None:
    scheduler = scheduler_of(hourly=hourly())
    run_id = begin(scheduler, scheduler.warehouse)
    lease.finish(ledger, run_id, CUT_SHORT, clock.now())
    clock.time += timedelta(minutes=1)
    lease.finish(ledger, begin(scheduler, "another"), DONE, clock.now())
    scheduler.look(clock.now())
    join(scheduler)
    assert ledger.run(run_id)["status"] == "completed"


CUT_SHORT = lease.End(status="cancelled", interrupted=True)
DONE = lease.End(status="completed")


def begin(scheduler: Scheduler, warehouse: str) -> str:
    claim = lease.Claim(
        name="hourly", job=hourly(), target="x", warehouse=warehouse, trigger="schedule"
    )
    run_id = lease.start(scheduler.runner.ledger, claim, scheduler.runner.clock.now())
    with lease.held(run_id):
        return run_id
