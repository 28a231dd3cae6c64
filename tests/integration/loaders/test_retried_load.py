"""What a load gets done when it tries again is nobody's trouble, and not shown as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlt.destinations.job_client_impl import SqlLoadJob

from loaders.load import load
from loaders.warehouse import Target
from tests.integration.loaders.corner import sale, sales, shop

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_merge_that_has_too_little_memory_at_first_prints_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEMILL_VAR", str(tmp_path))
    tried: list[SqlLoadJob] = []
    run = SqlLoadJob.run

    def run_later(job: SqlLoadJob) -> None:
        tried.append(job)
        if len(tried) == 1:
            raise MemoryError("failed to allocate data of size 16.0 MiB")
        run(job)

    monkeypatch.setattr(SqlLoadJob, "run", run_later)
    warehouse = Target(name="duckdb", kind="duckdb", path=tmp_path / "warehouse.duckdb")
    load(shop(sale(1)), target=warehouse)
    assert (len(tried) > 1, len(sales(warehouse))) == (True, 1)
    assert "Traceback" not in "".join(capfd.readouterr())
