"""Each job of the schedule does its work on the demo shop, whichever is the first to run."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.faults.chain import ROOT, Chain

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def run(chain: Chain, *words: str) -> dict[str, Any]:
    """Run a job, which must complete, and return its record."""
    command = [sys.executable, "-m", "orchestration", *words, "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env=chain.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    record: dict[str, Any] = json.loads(done.stdout)
    return record


def details(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["name"].partition(" ")[0]: step["detail"] or {} for step in record["steps"]}


def count(chain: Chain, table: str) -> int:
    with duckdb.connect(str(chain.var / "published.duckdb"), read_only=True) as connection:
        found = connection.execute(f"select count(*) from {table}").fetchone()
        return int(found[0]) if found else 0


def test_every_job_of_the_schedule(tmp_path: Path) -> None:
    """One long test: each job goes on where the one before it left the warehouse."""
    with Chain(var=tmp_path) as chain:
        chain.shop.advance()

        first = run(chain, "run", "micro_batch", "--batch-size", "100")
        assert first["batch_size"] == 100
        assert {row["table"] for row in first["tables"]} == {"payments", "events"}
        assert count(chain, "marts.fct_events") > 0
        assert count(chain, "marts.fct_orders") == 0

        hourly = run(chain, "run", "hourly_sync")
        assert {row["source"] for row in hourly["tables"]} == {"shop_api", "shop_db"}
        assert count(chain, "marts.fct_orders") > 0
        assert [row["output"] for row in hourly["deliveries"]] == ["crm_users"]

        again = run(chain, "run", "micro_batch")
        assert details(again)["transform"]["unchanged"]

        assert [step["status"] for step in run(chain, "run", "intake")["steps"]] == ["completed"]
        assert {row["output"] for row in run(chain, "run", "pending")["deliveries"]} == {
            "crm_users",
            "sales_files",
        }

        chain.shop.advance()
        batch = run(chain, "run", "micro_batch")
        built = {model["name"] for model in details(batch)["transform"]["models"]}
        assert "stg_payment_queue__payments" in built
        assert "stg_shop_api__users" not in built

        nightly = run(chain, "run", "nightly")
        assert (tmp_path / "report.html").read_text().count(nightly["id"]) > 0
        with closing(sqlite3.connect(tmp_path / "reporting.sqlite")) as reporting:
            tables = reporting.execute("select name from sqlite_master where type = 'table'")
            assert tables.fetchall()

        monthly = run(chain, "run", "monthly_report")
        assert details(monthly)["report"]["report"].endswith(f"{monthly['id']}.html")

        cleanup = run(chain, "run", "weekly_cleanup")
        assert details(cleanup)["expire"]["notices"] == []
        orders = count(chain, "marts.fct_orders")
        run(chain, "run", "replay")
        assert count(chain, "marts.fct_orders") == orders

        restored(chain, details(cleanup)["backup"]["backup"], orders)


def restored(chain: Chain, backup: str, orders: int) -> None:
    """Follow the recipe: the copy becomes the warehouse, and the next run goes on from it."""
    import shutil

    for name in ("warehouse.duckdb", "warehouse.duckdb.wal", "ledger.sqlite"):
        (chain.var / name).unlink(missing_ok=True)
    shutil.copy(backup, chain.var / "warehouse.duckdb")
    shutil.copy(backup.replace(".duckdb", ".ledger.sqlite"), chain.var / "ledger.sqlite")
    after = run(chain, "run", "nightly")
    assert sum(row["loaded"] for row in after["tables"]) == 0
    assert count(chain, "marts.fct_orders") == orders


def test_a_selection_is_built_before_anything_was_loaded(tmp_path: Path) -> None:
    with Chain(var=tmp_path) as chain:
        built = details(run(chain, "transform", "--select", "+fct_order_items"))["transform"]
        assert "fct_order_items" in {model["name"] for model in built["models"]}
        assert (built["tests_failed"], built["notices"]) == (0, [])


def test_a_run_that_failed_is_taken_up_again(tmp_path: Path) -> None:
    with Chain(var=tmp_path) as chain:
        chain.shop.advance()
        queue = {"SOURCES__PAYMENT_QUEUE__URL": "redis://127.0.0.1:1"}
        chain.variables.update(queue)
        with chain.begin([sys.executable, "-m", "orchestration", "run", "micro_batch"]) as broken:
            _, told = broken.communicate(timeout=300)
        assert broken.returncode == 1, told
        chain.variables.clear()
        (resumed,) = run(chain, "retry-failed")["resumed"]
        assert resumed["status"] == "completed"
        attempts = {step["name"]: step["attempts"] for step in resumed["steps"]}
        assert attempts["load event_files"] == 1
        assert run(chain, "retry-failed") == {"resumed": []}
