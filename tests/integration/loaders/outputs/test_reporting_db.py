"""The reporting database has a row for each order, and follows the model."""

from __future__ import annotations

from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from loaders.deliver import deliver, preview
from loaders.outputs.reporting_db import MODEL
from loaders.senders.databases import far_database

if TYPE_CHECKING:
    from pathlib import Path

    from loaders.warehouse import Target

ROWS = (
    "select number as order_id, case when number % 3 > 0 then 'paid' end as status, "
    "cast(number * 1.25 as numeric(18,2)) as amount, number % 2 = 0 as is_paid, "
    "date '2026-01-02' as ordered_on, timestamp '2026-01-02 03:04:05' as ordered_at "
    "from generate_series(1, 7) as numbers(number)"
)


def desire(target: Target, kind: str, rows: str = ROWS) -> None:
    with target.connect() as connection:
        connection.execute(f"drop {kind} if exists {MODEL}")
        connection.execute(f"create {kind} {MODEL} as {rows}")


def there(url: str) -> list[tuple[Any, ...]]:
    far = far_database(url)
    far.connect()
    with closing(far):
        far.run("select * from orders order by order_id")
        return [tuple(map(_plain, row)) for row in far.cursor.fetchall()]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["table", "view"])
def test_orders_are_kept(
    warehouse: Target, far_url: str, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("OUTPUTS__REPORTING_DB__URL", far_url)
    desire(warehouse, kind)
    assert preview("reporting_db", target=warehouse).upserts == 7
    assert deliver("reporting_db", target=warehouse, run_id="r1").successful == 7
    assert deliver("reporting_db", target=warehouse, run_id="r2").skipped == 7
    desire(warehouse, kind, f"select * from ({ROWS}) as orders where order_id > 1")
    result = deliver("reporting_db", target=warehouse, run_id="r3")
    assert (result.successful, result.deletes, result.skipped) == (1, 1, 6)
    moment = ("2026-01-02", "2026-01-02 03:04:05")
    assert there(far_url) == [
        (key, "paid" if key % 3 else None, key * 1.25, key % 2 == 0, *moment) for key in range(2, 8)
    ]


def test_without_a_url_they_go_to_a_file_of_the_project(
    duckdb_target: Target, tmp_path: Path
) -> None:
    with duckdb_target.connect() as connection:
        connection.execute("create schema outputs")
    desire(duckdb_target, "view")
    assert deliver("reporting_db", target=duckdb_target, run_id="r1").successful == 7
    assert len(there(f"sqlite:///{tmp_path / 'reporting.sqlite'}")) == 7
