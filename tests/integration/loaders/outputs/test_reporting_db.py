"""The reporting database has a row for each order, and follows the model."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

import loaders.deliver
from loaders.deliver import deliver, preview
from loaders.outputs.reporting_db import MODEL

if TYPE_CHECKING:
    from pathlib import Path

    from loaders.warehouse import Target


@pytest.mark.parametrize("kind", ["table", "view"])
def test_orders_are_kept(
    warehouse: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    outputs = {"reporting_db": "loaders.outputs.reporting_db"}
    monkeypatch.setattr(loaders.deliver, "OUTPUTS", outputs)
    with warehouse.connect() as connection:
        connection.execute(
            f"create {kind} {MODEL} as select number as order_id, 'note' as note "
            "from generate_series(1, 7) as numbers(number)"
        )
    assert preview("reporting_db", target=warehouse).upserts == 7
    assert deliver("reporting_db", target=warehouse, run_id="r1").successful == 7
    assert deliver("reporting_db", target=warehouse, run_id="r2").skipped == 7
    with closing(sqlite3.connect(tmp_path / "reporting.sqlite")) as there:
        assert there.execute("select count(*), max(note) from orders").fetchall() == [(7, "note")]
