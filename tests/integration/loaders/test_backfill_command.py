"""`tidemill backfill` and `tidemill load --batch-size / --sweep-deletes`, on the demo shop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from loaders.warehouse import Target
from tests.integration.loaders.databases import rows

if TYPE_CHECKING:
    from demo.shop import Shop

ROOT = Path(__file__).parents[3]
PAST = ("--from", "2025-01-01", "--to", "2026-02-01", "--chunk", "3months")


def tidemill(shop: Shop, *words: str) -> dict[str, Any]:
    """Run a command; return its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "orchestration", *words, "--json"],
        env={**os.environ, **shop.environment()},
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def test_a_past_is_filled_once_and_kept_by_the_ledger(shop: Shop, tmp_path: Path) -> None:
    shop.advance()
    run = tidemill(shop, "backfill", "shop_db.orders", *PAST, "--batch-size", "100")
    assert run["status"] == "completed", run["steps"]
    assert run["batch_size"] == 100
    target = Target(name="duckdb", kind="duckdb", path=tmp_path / "warehouse.duckdb")
    (loaded,) = rows(target, "select count(*) from raw_shop_db.orders")[0]
    (windows,) = rows(target, "select count(*) from tidemill.backfill where status = 'done'")[0]
    assert (windows, run["records_processed"] - run["records_rejected"]) == (5, loaded)
    again = tidemill(shop, "backfill", "shop_db.orders", *PAST, "--parallel", "2")
    assert (again["status"], again["records_processed"]) == ("completed", 0)
    daily = tidemill(shop, "load", "shop_db")
    (after, distinct) = rows(target, "select count(*), count(distinct id) from raw_shop_db.orders")[
        0
    ]
    assert daily["status"] == "completed"
    assert after == distinct >= loaded


@pytest.mark.slow
def test_one_that_is_interrupted_counts_what_it_filled(shop: Shop, tmp_path: Path) -> None:
    shop.advance()
    past = ("--from", "2025-07-01", "--to", "2026-02-01", "--chunk", "2weeks")
    words = ["backfill", "shop_db.orders", *past, "--json"]
    filling = subprocess.Popen(
        [sys.executable, "-m", "orchestration", *words],
        env={**os.environ, **shop.environment()},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    ledger = sa.create_engine(f"sqlite:///{tmp_path / 'ledger.sqlite'}", poolclass=sa.NullPool)
    try:
        while filling.poll() is None and not _counted(ledger):
            time.sleep(0.05)
        filling.send_signal(signal.SIGINT)
        told, _ = filling.communicate()
    finally:
        filling.kill()
    first = dict(json.loads(told))
    assert (first["status"], first["records_processed"] > 0) == ("cancelled", True), told
    second = tidemill(shop, *words[:-1])
    assert second["status"] == "completed", second["steps"]
    target = Target(name="duckdb", kind="duckdb", path=tmp_path / "warehouse.duckdb")
    (loaded,) = rows(target, "select count(*) from raw_shop_db.orders")[0]
    counted = [run["records_processed"] - run["records_rejected"] for run in (first, second)]
    assert sum(counted) == loaded


def _counted(ledger: sa.Engine) -> int:
    """Return how many rows a ledger has counted, which may not be there yet."""
    if not sa.inspect(ledger).has_table("tables"):
        return 0
    with ledger.connect() as connection:
        return int(connection.execute(sa.text("select sum(loaded) from tables")).scalar() or 0)


def test_a_sweep_is_an_option_of_load(shop: Shop, tmp_path: Path) -> None:
    shop.advance()
    tidemill(shop, "load", "shop_db")
    engine = sa.create_engine(shop.environment()["SOURCES__SHOP_DB__URL"], poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("delete from products where id in (3, 4)"))
    run = tidemill(shop, "load", "shop_db", "--sweep-deletes")
    assert run["status"] == "completed", run["steps"]
    target = Target(name="duckdb", kind="duckdb", path=tmp_path / "warehouse.duckdb")
    gone = "select id from raw_shop_db.products where id in (3, 4) and deleted_at is not null"
    assert sorted(rows(target, gone)) == [(3,), (4,)]


def test_what_cannot_be_filled_is_told_in_a_sentence(shop: Shop) -> None:
    told = tidemill(shop, "backfill", "shop_db.orders", "--from", "soon", "--to", "later")
    assert told["error"].startswith("'soon' is no date or time.")
    told = tidemill(shop, "backfill", "shopp.orders", *PAST)
    assert "shopp" in told["error"]
