"""Time is cut into windows without a gap, without an overlap, and to the end."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loaders.errors import SettingMissing
from loaders.windows import moment, windows

DAYS = st.integers(min_value=1, max_value=800)
CHUNKS = st.sampled_from(["5days", "1 week", "1month", "3months", "1year"])


@given(begin=st.integers(min_value=0, max_value=9000), days=DAYS, chunk=CHUNKS)
def test_windows_follow_each_other_from_beginning_to_end(begin: int, days: int, chunk: str) -> None:
    since = moment("2000-01-31") + timedelta(days=begin)
    until = since + timedelta(days=days)
    found = windows(since, until, chunk)
    assert found[0].since == since
    assert found[-1].until == until
    assert all(first.until == second.since for first, second in pairwise(found))
    assert all(window.since < window.until for window in found)


def test_months_are_those_of_the_calendar() -> None:
    found = windows(moment("2024-01-01"), moment("2026-01-01"), "1month")
    assert len(found) == 24
    assert {window.since.day for window in found} == {1}


def test_the_last_day_of_a_month_stays_within_the_next() -> None:
    found = windows(moment("2024-01-31"), moment("2024-04-30"), "1month")
    assert [window.until.date().isoformat() for window in found] == [
        "2024-02-29",
        "2024-03-31",
        "2024-04-30",
    ]


def test_a_moment_without_a_zone_is_utc() -> None:
    assert moment("2024-01-01").isoformat() == "2024-01-01T00:00:00+00:00"
    assert moment("2024-01-01T00:00:00+02:00").isoformat() == "2024-01-01T00:00:00+02:00"


@pytest.mark.parametrize("chunk", ["1 fortnight", "0days", "", "-1day"])
def test_a_chunk_that_cannot_be_read_is_told(chunk: str) -> None:
    with pytest.raises(SettingMissing, match=f"Cannot cut time by '{chunk}'"):
        windows(moment("2024-01-01"), moment("2024-02-01"), chunk)


def test_an_end_before_the_beginning_is_told() -> None:
    with pytest.raises(SettingMissing, match="Nothing to fill"):
        windows(moment("2024-01-01"), moment("2024-01-01"), "1day")


def test_a_date_that_cannot_be_read_is_told() -> None:
    with pytest.raises(SettingMissing, match="'soon' is no date or time"):
        moment("soon")
