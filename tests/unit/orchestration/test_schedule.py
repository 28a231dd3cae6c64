"""When a job is due follows from its schedule, what was handled, and now: each rule, driven."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.errors import JobInvalid
from orchestration.jobs import JOBS
from orchestration.schedule import Schedule, due, next_fire

BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(schedule: Schedule, start: str, count: int) -> list[str]:
    """Return the next wall-clock times of a schedule in its own zone."""
    at = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(schedule.timezone)).astimezone(UTC)
    found = []
    for _ in range(count):
        at = next_fire(schedule, at)
        found.append(f"{at.astimezone(ZoneInfo(schedule.timezone)):%m-%d %H:%M}")
    return found


def test_a_daily_time_is_wall_clock_time_of_its_zone() -> None:
    nightly = Schedule(cron="0 2 * * *", timezone="America/New_York")
    assert next_fire(nightly, utc("2026-01-10T00:00")) == utc("2026-01-10T07:00")
    assert next_fire(nightly, utc("2026-07-10T00:00")) == utc("2026-07-10T06:00")


def test_a_time_in_the_spring_gap_fires_once_as_late_as_the_gap_is_long() -> None:
    times = local(Schedule(cron="30 2 * * *", timezone=BERLIN), "2026-03-28T12:00", 2)
    assert times == ["03-29 03:30", "03-30 02:30"]


def test_a_time_that_autumn_brings_twice_fires_once() -> None:
    schedule = Schedule(cron="30 2 * * *", timezone=BERLIN)
    assert local(schedule, "2026-10-24T12:00", 2) == ["10-25 02:30", "10-26 02:30"]
    assert next_fire(schedule, utc("2026-10-24T12:00")) == utc("2026-10-25T00:30")


def test_an_hourly_schedule_goes_by_elapsed_time_through_both_changes() -> None:
    hourly = Schedule(cron="0 * * * *", timezone=BERLIN)
    at, gaps = utc("2026-10-24T22:30"), set()
    for _ in range(30 * 7 * 24):
        later = next_fire(hourly, at)
        gaps.add(later - at)
        at = later
    assert gaps == {timedelta(minutes=30), timedelta(hours=1)}


def test_a_day_that_a_month_lacks_is_left_out() -> None:
    assert local(Schedule(cron="0 0 31 * *"), "2026-01-01T00:00", 3) == [
        "01-31 00:00",
        "03-31 00:00",
        "05-31 00:00",
    ]


def test_last_is_the_last_day_of_any_month() -> None:
    times = local(Schedule(cron="0 0 last * *"), "2028-01-15T00:00", 3)
    assert times == ["01-31 00:00", "02-29 00:00", "03-31 00:00"]


def test_the_29th_of_february_comes_in_leap_years() -> None:
    assert next_fire(Schedule(cron="0 0 29 2 *"), utc("2026-01-01T00:00")) == utc(
        "2028-02-29T00:00"
    )


def test_weekdays_go_by_name() -> None:
    sunday = Schedule(cron="0 3 * * sun")
    assert next_fire(sunday, utc("2026-01-01T00:00")) == utc("2026-01-04T03:00")
    with pytest.raises(JobInvalid, match="weekday as a number"):
        Schedule(cron="0 3 * * 0")


def test_every_machine_counts_intervals_from_the_same_moment() -> None:
    beat = Schedule(every=10)
    assert next_fire(beat, utc("2026-01-02T00:00:03")) == utc("2026-01-02T00:00:10")
    assert next_fire(beat, utc("2026-01-02T00:00:10")) == utc("2026-01-02T00:00:20")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({}, "either `cron` or `every`"),
        ({"cron": "0 0 * * *", "every": 5}, "either `cron` or `every`"),
        ({"cron": "0 25 * * *"}, "'0 25 \\* \\* \\*' \\(UTC\\) cannot be read"),
        ({"cron": "0 0 * * *", "timezone": "Mars/Base"}, "Mars/Base"),
        ({"every": 5, "catch_up": "some"}, "catches up latest, all, none"),
        ({"every": 5, "overlap": "merge"}, "skip or queue"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(JobInvalid, match=sentence):
        Schedule(**wrong)  # type: ignore[arg-type]


def test_nothing_is_due_before_its_time_and_once_at_it() -> None:
    hourly = Schedule(cron="0 * * * *")
    handled = utc("2026-01-02T03:00")
    assert due(hourly, handled=handled, now=utc("2026-01-02T03:59:59")) == []
    assert due(hourly, handled=handled, now=utc("2026-01-02T04:00")) == [utc("2026-01-02T04:00")]
    assert due(hourly, handled=utc("2026-01-02T04:00"), now=utc("2026-01-02T04:00:30")) == []


def test_after_a_long_sleep_latest_catches_up_one() -> None:
    hourly = Schedule(cron="0 * * * *", catch_up="latest")
    assert due(hourly, handled=utc("2026-01-01T00:00"), now=utc("2026-01-02T03:10")) == [
        utc("2026-01-02T03:00")
    ]


def test_all_catches_up_each_bounded_by_number_and_age() -> None:
    hourly = Schedule(cron="0 * * * *", catch_up="all", max_count=3)
    handled, now = utc("2026-01-01T00:00"), utc("2026-01-02T03:10")
    assert [time.hour for time in due(hourly, handled=handled, now=now)] == [1, 2, 3]
    young = Schedule(cron="0 * * * *", catch_up="all", max_age=2 * 3600)
    assert [time.hour for time in due(young, handled=handled, now=now)] == [2, 3]


def test_none_takes_only_a_time_that_was_not_missed() -> None:
    hourly = Schedule(cron="0 * * * *", catch_up="none")
    handled = utc("2026-01-01T00:00")
    assert due(hourly, handled=handled, now=utc("2026-01-02T03:00:59")) == [utc("2026-01-02T03:00")]
    assert due(hourly, handled=handled, now=utc("2026-01-02T03:01:01")) == []


def test_what_is_too_old_is_not_caught_up() -> None:
    nightly = Schedule(cron="0 2 * * *", max_age=6 * 3600)
    handled = utc("2026-01-01T02:00")
    assert due(nightly, handled=handled, now=utc("2026-01-02T08:00")) == [utc("2026-01-02T02:00")]
    assert due(nightly, handled=handled, now=utc("2026-01-02T08:01")) == []


def test_after_the_clock_was_set_back_nothing_fires_again() -> None:
    hourly = Schedule(cron="0 * * * *")
    handled = utc("2026-01-02T04:00")
    assert due(hourly, handled=handled, now=utc("2026-01-02T02:00")) == []
    assert due(hourly, handled=handled, now=utc("2026-01-02T04:30")) == []
    assert due(hourly, handled=handled, now=utc("2026-01-02T05:00")) == [utc("2026-01-02T05:00")]


def test_a_micro_batch_that_slept_for_years_is_due_once_and_at_once() -> None:
    beat = Schedule(every=10, max_age=1e9)
    assert due(beat, handled=utc("2026-01-02T00:00"), now=utc("2036-01-02T00:00:05")) == [
        utc("2036-01-02T00:00")
    ]


SCHEDULES = st.sampled_from(
    [
        Schedule(cron="30 2 * * *", timezone=BERLIN, catch_up="all"),
        Schedule(cron="*/15 * * * *", timezone="Australia/Lord_Howe", catch_up="all"),
        Schedule(cron="0 0 last * *", timezone="America/New_York", catch_up="all", max_age=1e8),
        Schedule(every=600, catch_up="all", max_count=10_000),
    ]
)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1))  # noqa: DTZ001  made aware below


@given(SCHEDULES, MOMENTS, st.lists(st.integers(0, 4 * 3600), min_size=1, max_size=30))
def test_however_often_one_looks_no_time_fires_twice_or_out_of_order(
    schedule: Schedule, start: datetime, steps: list[int]
) -> None:
    handled = now = start.replace(tzinfo=UTC)
    fired: list[datetime] = []
    for seconds in steps:
        now += timedelta(seconds=seconds)
        for time in due(schedule, handled=handled, now=now):
            fired.append(time)
            handled = time
    assert fired == sorted(set(fired))
    assert all(start.replace(tzinfo=UTC) < time <= now for time in fired)


def test_the_jobs_of_the_project_come_when_the_pattern_says() -> None:
    at = utc("2026-01-15T10:00:01")
    times = {
        name: next_fire(job.schedule, at) for name, job in JOBS.items() if job.schedule is not None
    }
    assert times == {
        "micro_batch": utc("2026-01-15T10:00:10"),
        "intake": utc("2026-01-15T10:01"),
        "pending": utc("2026-01-15T10:05"),
        "hourly_sync": utc("2026-01-15T11:00"),
        "nightly": utc("2026-01-16T02:00"),
        "weekly_cleanup": utc("2026-01-18T03:00"),
        "monthly_report": utc("2026-02-01T00:00"),
    }
