"""Keys are held against all others since the oldest of the loads that a passing build had seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestration.model_steps import _tested_until
from orchestration.steps import Request

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
