"""Waits are as the far side asks, or grow with each failure."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from loaders.senders.endpoint import Endpoint, Patience, Request, retry_after

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        ("0.25", 0.25),
        ("-1", 0.0),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_read(header: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": header}, NOW) == seconds


def test_no_header_asks_for_nothing() -> None:
    assert retry_after({}, NOW) is None


def test_pauses_double_up_to_a_bound_and_jitter_by_half() -> None:
    patience = Patience(first_pause=1, longest_pause=10)
    assert [patience.pause(attempt, 1.0) for attempt in range(1, 7)] == [1, 2, 4, 8, 10, 10]
    assert [patience.pause(attempt, 0.0) for attempt in range(1, 4)] == [0.5, 1, 2]


def test_an_address_is_shown_without_what_is_secret() -> None:
    endpoint = Endpoint(
        url="https://me:secret@crm.example:8443/contacts?key=secret",
        encode=lambda _batch: Request(method="POST", url="", body=()),
        decode=lambda _batch, _response: (),
    )
    assert endpoint.shown == "https://crm.example:8443/contacts"
