"""Requests go out at their rate, however the callers come, and wait when told to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loaders.senders.pace import Pace
from tests.unit.loaders.senders.clock import Clock


def pace(clock: Clock, rate: float | None, burst: int = 1) -> Pace:
    return Pace(rate=rate, burst=burst, clock=clock, sleep=clock.sleep)


def test_without_a_rate_nothing_waits() -> None:
    clock = Clock()
    for _ in range(100):
        pace(clock, None).take()
    assert clock.now == 100.0


def test_the_rate_holds() -> None:
    clock = Clock()
    bucket = pace(clock, 10)
    for _ in range(101):
        bucket.take()
    assert round(clock.now - 100.0, 6) == 10.0


def test_what_was_saved_up_goes_at_once_but_no_more() -> None:
    clock = Clock()
    bucket = pace(clock, 10, burst=5)
    clock.now += 60
    at = clock.now
    for _ in range(5):
        bucket.take()
    assert clock.now == at
    bucket.take()
    assert round(clock.now - at, 6) == 0.1


def test_a_hold_holds_everyone() -> None:
    clock = Clock()
    bucket = pace(clock, None)
    bucket.hold(3)
    bucket.hold(1)
    bucket.take()
    assert round(clock.now - 100.0, 6) == 3.0


@given(st.lists(st.floats(0, 2), min_size=1, max_size=60), st.integers(1, 5))
def test_no_second_sees_more_than_its_share(pauses: list[float], burst: int) -> None:
    clock = Clock()
    bucket = pace(clock, 4, burst=burst)
    taken = []
    for pause in pauses:
        clock.now += pause
        bucket.take()
        taken.append(clock.now)
    for start in taken:
        assert sum(start <= at < start + 0.999 for at in taken) <= 4 + burst
