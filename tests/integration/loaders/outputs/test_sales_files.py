"""The sales file holds the mart, in order, and is written only when that changed."""

from __future__ import annotations

import gzip
import json
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from loaders.deliver import deliver

if TYPE_CHECKING:
    from pathlib import Path

    from loaders.warehouse import Target

EXPECTED = (
    "ordered_on,currency,count_orders,count_customers,count_items,revenue,average_order_amount\n"
    "2026-01-01,EUR,2,2,5,20.50,10.25\n"
    "2026-01-02,EUR,1,1,1,7.00,7.00\n"
    "2026-01-02,USD,1,1,1,,\n"
)


@pytest.fixture
def exports(warehouse: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OUTPUTS__SALES_FILES__URL", str(tmp_path / "exports"))
    with warehouse.connect() as connection:
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.agg_daily_sales (ordered_on date, currency text, count_orders "
            "bigint, count_customers bigint, count_items bigint, revenue numeric(18,2), "
            "average_order_amount numeric(18,2))"
        )
        connection.execute(
            "insert into marts.agg_daily_sales values ('2026-01-02', 'USD', 1, 1, 1, null, null), "
            "('2026-01-02', 'EUR', 1, 1, 1, 7, 7), ('2026-01-01', 'EUR', 2, 2, 5, 20.5, 10.25)"
        )
    return tmp_path / "exports"


def test_the_file_holds_the_mart_in_order(warehouse: Target, exports: Path) -> None:
    result = deliver("sales_files", target=warehouse, run_id="r1")
    file = exports / "agg_daily_sales.csv.gz"
    assert gzip.decompress(file.read_bytes()).decode() == EXPECTED
    assert result.files == (str(file),)
    assert (result.successful, result.failed, result.skipped) == (3, 0, 0)
    manifest = json.loads((exports / "agg_daily_sales.manifest.json").read_text())
    (listed,) = manifest["files"]
    assert (manifest["rows"], manifest["run_id"]) == (3, "r1")
    assert listed["sha256"] == sha256(file.read_bytes()).hexdigest()
    assert listed["bytes"] == file.stat().st_size
    assert sorted(path.name for path in exports.iterdir()) == [
        "agg_daily_sales.csv.gz",
        "agg_daily_sales.manifest.json",
    ]


def test_unchanged_rows_leave_the_file_alone(warehouse: Target, exports: Path) -> None:
    deliver("sales_files", target=warehouse, run_id="r1")
    before = (exports / "agg_daily_sales.csv.gz").stat()
    result = deliver("sales_files", target=warehouse, run_id="r2")
    assert (result.successful, result.skipped, result.files) == (0, 3, ())
    assert (exports / "agg_daily_sales.csv.gz").stat() == before


def test_a_missing_file_comes_back_byte_for_byte(warehouse: Target, exports: Path) -> None:
    deliver("sales_files", target=warehouse, run_id="r1")
    file = exports / "agg_daily_sales.csv.gz"
    before = file.read_bytes()
    file.unlink()
    assert deliver("sales_files", target=warehouse, run_id="r2").successful == 3
    assert file.read_bytes() == before


def test_a_changed_row_writes_the_file_anew(warehouse: Target, exports: Path) -> None:
    deliver("sales_files", target=warehouse, run_id="r1")
    with warehouse.connect() as connection:
        connection.execute("delete from marts.agg_daily_sales where currency = 'USD'")
    assert deliver("sales_files", target=warehouse, run_id="r2").successful == 2
    text = gzip.decompress((exports / "agg_daily_sales.csv.gz").read_bytes()).decode()
    assert text == "\n".join(EXPECTED.splitlines()[:3]) + "\n"


@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_a_big_file_of_postgres_tells_how_far_it_is(warehouse: Target, exports: Path) -> None:
    with warehouse.connect() as connection:
        connection.execute(
            "insert into marts.agg_daily_sales select date '2026-01-03', 'C' || number, 1, 1, 1, "
            "2, 2 from generate_series(1, 40000) as numbers(number)"
        )
    told: list[int] = []
    deliver(
        "sales_files",
        target=warehouse,
        run_id="r1",
        on_progress=lambda done, total: told.append(done * 100 // total),
    )
    assert exports.exists()
    assert (told[0], told[-1]) == (0, 100)
    assert told == sorted(told)
    assert {17, 34, 52, 69} <= set(told)
