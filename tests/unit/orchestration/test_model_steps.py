"""Keys are held against all others since the oldest of the loads that a passing build had seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestration.errors import SettingWrong
from orchestration.model_steps import _tested_until
from orchestration.steps import Request, number

SEEN = {"shop": "17.5", "queue": "19.1", "files": "", "intake": "3.0"}
STREAMED = "source:shop+ source:queue+"


@pytest.mark.parametrize(
    ("argument", "before", "until"),
    [
        (STREAMED, {"seen": {"loads": SEEN}}, "17.5"),
        ("source:queue+", {"seen": {"loads": SEEN}}, "19.1"),
        ("source:queue+ source:files+", {"seen": {"loads": SEEN}}, ""),
        ("source:queue+ source:new+", {"seen": {"loads": SEEN}}, ""),
        ("", {"seen": {"loads": SEEN}}, ""),
        ("fct_orders", {"seen": {"loads": SEEN}}, ""),
        (STREAMED, None, ""),
    ],
)
def test_the_oldest_load_counts(argument: str, before: dict[str, Any] | None, until: str) -> None:
    request = Request(
        run_id="r1",
        job="micro_batch",
        step="transform",
        kind="transform",
        argument=argument,
        target="duckdb",
        artifacts=Path("var"),
        before=before,
    )
    assert _tested_until(request, {"shop", "queue", "files"}) == until


@pytest.mark.parametrize(("argument", "expected"), [("", 90), ("7", 7)])
def test_a_step_takes_a_number(argument: str, expected: int) -> None:
    assert number(asked(argument), 90) == expected


@pytest.mark.parametrize("argument", ["x", "-1", "0", "1.5"])
def test_what_is_no_number_is_told(argument: str) -> None:
    with pytest.raises(SettingWrong, match=f"'{argument}' is no whole number above 0"):
        number(asked(argument), 90)


def asked(argument: str) -> Request:
    return Request(
        run_id="r1",
        job="retain",
        step=f"retain {argument}".strip(),
        kind="retain",
        argument=argument,
        target="duckdb",
        artifacts=Path("var"),
    )
