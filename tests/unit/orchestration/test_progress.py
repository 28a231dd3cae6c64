"""Progress fits the terminal: of a long step the words that tell most, the time left first."""

from __future__ import annotations

import pytest

from loaders.backfill import Progress
from orchestration.load_steps import told
from orchestration.progress import short

STEP = "backfill shop_db.orders 2024-01-01 2026-01-01 1month"


@pytest.mark.parametrize(
    ("width", "expected"),
    [(120, STEP), (80, "backfill shop_db.orders"), (40, "shop_db.orders")],
)
def test_a_step_is_named_as_there_is_room(width: int, expected: str) -> None:
    assert short(STEP, width) == expected
    assert short("transform", width) == "transform"


def test_a_backfill_tells_windows_time_left_and_rows() -> None:
    assert told(Progress(done=8, total=24, rows=524_875, seconds_left=3_725.4)) == {
        "done": 8,
        "total": 24,
        "text": "8 of 24, 1:02:05 left, 524,875 rows",
    }
    assert told(Progress(done=0, total=24, rows=0, seconds_left=None))["text"] == "0 of 24, 0 rows"
