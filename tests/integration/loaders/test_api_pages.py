"""Pages of an API are asked for politely, again where they fail, and never without end."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from loaders.errors import SourceRefused, SourceUnreachable
from loaders.senders.pace import Pace
from tests.integration.loaders.shelf import row
from tests.integration.loaders.shelf_sources import HASTE, read_by_cursor, read_by_number

if TYPE_CHECKING:
    from tests.integration.loaders.shelf import Shelf

SHORT = 0.5
"""Seconds to wait for an answer that does not come."""


@pytest.mark.parametrize("read", [read_by_cursor, read_by_number])
@pytest.mark.parametrize("fault", ["429", "500", "truncated", "cut", "hang"])
def test_a_page_that_fails_is_asked_for_again(shelf: Shelf, read: Any, fault: str) -> None:
    shelf.fault = lambda number: fault if number in {2, 3, 7} else None
    patience = replace(HASTE, attempts=6)  # some to spare where the machine stands still
    found = read(shelf, at_once=1, patience=patience, timeout=SHORT if fault == "hang" else 10)
    assert found == set(range(95))


@pytest.mark.parametrize("read", [read_by_cursor, read_by_number])
@pytest.mark.parametrize("fault", ["500", "truncated", "cut", "hang"])
def test_a_page_that_goes_on_failing_stops_the_load_and_loses_nothing(
    shelf: Shelf, read: Any, fault: str
) -> None:
    shelf.fault = lambda number: fault if number >= 4 else None
    with pytest.raises(SourceUnreachable, match=r"gave no answer: .*, 3 times") as told:
        read(shelf, timeout=SHORT if fault == "hang" else 10)
    assert told.value.retryable
    assert "hidden" not in str(told.value)
    shelf.fault = lambda _number: None
    assert read(shelf) == set(range(95))


def test_retry_after_is_honoured_by_all_calls(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.rows += [row(number) for number in range(95, 995)]
    shelf.retry_after = "0.4"
    shelf.fault = lambda number: "429" if number == 3 else None
    held: list[tuple[float, int]] = []
    hold = Pace.hold

    def noted(pace: Pace, seconds: float) -> None:
        begun = time.monotonic()
        hold(pace, seconds)
        held.append((begun, len(shelf.asked)))

    monkeypatch.setattr(Pace, "hold", noted)
    assert read_by_number(shelf, pages_at_once=4) == set(range(995))
    ((begun, asked),) = held
    later = [moment - begun for moment, _ in shelf.asked[asked:]]
    assert sum(waited < 0.4 for waited in later) <= 3  # the others that were under way
    assert later[-1] >= 0.4


def test_a_retry_after_that_is_too_long_is_told(shelf: Shelf) -> None:
    shelf.retry_after = "3600"
    shelf.fault = lambda number: "429" if number == 3 else None
    with pytest.raises(SourceUnreachable, match="asks to wait 3600 s"):
        read_by_cursor(shelf)


def test_calls_keep_to_the_rate(shelf: Shelf) -> None:
    begun = time.monotonic()
    read_by_number(shelf, rate=10, burst=1)
    assert shelf.statuses == {"200": len(shelf.asked)}
    waited = [moment - begun for moment, _ in shelf.asked]
    # a call that is held up on its way comes later, never sooner
    assert all(seconds >= number / 10 - 0.001 for number, seconds in enumerate(waited))


def test_pages_are_under_way_side_by_side_and_no_more_than_allowed(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.delay = 0.05
    honest = shelf.answer

    def together(path: str, query: dict[str, str]) -> dict[str, Any]:
        until = time.monotonic() + 30
        alone = len(shelf.asked) <= 2  # the first page and the last
        while not alone and shelf.most_in_flight < 3 and time.monotonic() < until:
            time.sleep(0.005)
        return honest(path, query)

    monkeypatch.setattr(shelf, "answer", together)
    read_by_number(shelf, at_once=3)
    assert shelf.most_in_flight == 3


def test_a_list_that_never_stands_still_is_told(shelf: Shelf) -> None:
    shelf.before = lambda number, _: shelf.rows.pop(0) if number % 4 == 0 else None
    with pytest.raises(SourceUnreachable, match="shifted during each of 2 readings") as told:
        read_by_number(shelf, readings=2)
    assert told.value.retryable


def test_too_many_pages_are_an_error(shelf: Shelf) -> None:
    with pytest.raises(SourceRefused, match=r"has more than 5 pages. Raise `most_pages`"):
        read_by_cursor(shelf, most_pages=5)


def test_pages_that_go_round_are_an_error(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = shelf.answer

    def round_(path: str, query: dict[str, str]) -> dict[str, Any]:
        return {**honest(path, query), "next_cursor": 10 if query.get("cursor") else 20}

    monkeypatch.setattr(shelf, "answer", round_)
    with pytest.raises(SourceRefused, match="go round"):
        read_by_cursor(shelf)
