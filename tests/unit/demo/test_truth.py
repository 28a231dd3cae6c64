"""The truth is what a careful reader finds in the published shop, day after day."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from demo.errors import ShopError
from demo.shop import Shop
from demo.truth import truth
from tests.unit.demo.outside import everything

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCALE = 0.1


def is_integer(value: Any) -> bool:
    return value in (None, "") or str(value).lstrip("-").isdigit()


def is_number(value: Any) -> bool:
    return is_integer(value) or str(value).replace(".", "", 1).lstrip("-").isdigit()


def is_moment(value: Any) -> bool:
    try:
        return value in (None, "") or bool(datetime.fromisoformat(str(value)))
    except ValueError:
        return False


CHECKS: dict[str, list[tuple[int, Callable[[Any], bool]]]] = {
    "products": [(4, is_number), (7, is_moment), (8, is_moment), (9, is_moment)],
    "orders": [(1, is_integer), (4, is_moment), (5, is_moment), (6, is_moment), (7, is_moment)],
    "order_items": [(1, is_integer), (2, is_integer), (3, is_integer), (4, is_number)],
}


class Reader:
    """Loads what it sees each day by hand: merges by key, replaces files, sets misfits aside."""

    def __init__(self) -> None:
        self.raw: dict[str, dict[Any, Any]] = {
            name: {}
            for name in ("users", "products", "orders", "order_items", "events", "payments")
        }
        self.rejects: dict[str, set[Any]] = {name: set() for name in self.raw}

    def read(self, seen: dict[str, Any]) -> None:
        """Load what is seen on a day."""
        for user in seen["users"]:
            good = is_moment(user["created_at"]) and isinstance(user["id"], int)
            good = good and user["is_marketing_opt_in"] in (True, False, None)
            self._keep("users", user["id"], json.dumps(user), user["updated_at"], is_good=good)
        for table, rows in seen["database"].items():
            for row in rows:
                good = row[0] is not None and all(check(row[at]) for at, check in CHECKS[table])
                self._keep(table, row[0], row, row[-2], is_good=good)
        for number, fields in seen["messages"]:
            good = is_number(fields.get("amount")) and is_integer(fields.get("payment_id"))
            good = good and is_moment(fields["paid_at"])
            self._keep("payments", number, (number, str(fields)), number, is_good=good)
        self._read_files(seen["files"])

    def counts(self) -> tuple[dict[str, int], dict[str, int]]:
        """The rows held and rejected, by table."""
        raw = {table: len(rows) for table, rows in self.raw.items()}
        return raw, {table: len(rows) for table, rows in self.rejects.items()}

    def _keep(self, table: str, key: Any, row: Any, rank: str, *, is_good: bool) -> None:
        if not is_good:
            self.rejects[table].add(row)
        elif key not in self.raw[table] or self.raw[table][key][0] <= rank:
            self.raw[table][key] = (rank, row)

    def _read_files(self, files: dict[str, list[Any]]) -> None:
        self.raw["events"], self.rejects["events"] = {}, set()
        for name, lines in files.items():
            start = 1 if name.endswith("csv.gz") else 0
            for position, line in enumerate(lines[start:]):
                good = is_event(line, width=lines[0].count(b",") + 1 if start else 0)
                self._keep("events", (name, position), (name, position), name, is_good=good)


def is_event(line: Any, *, width: int) -> bool:
    if isinstance(line, tuple):
        return True
    try:
        values = split_csv(line, width) if width else list(dict(json.loads(line)).values())
    except (ValueError, csv.Error):
        return False
    return is_integer(values[1]) and is_integer(values[4]) and is_moment(values[5])


def split_csv(line: bytes, width: int) -> list[str]:
    (values,) = csv.reader([line.decode()], strict=True)
    if len(values) != width:
        raise ValueError(line)
    return values


def expected(directory: Path, day: int) -> tuple[dict[str, int], dict[str, int]]:
    with truth(directory, day) as connection:
        return tuple(  # type: ignore[return-value]
            dict(connection.sql(f"select table_name, count_rows from truth.{name}").fetchall())
            for name in ("raw_counts", "rejects")
        )


def test_a_careful_reader_finds_what_the_truth_says(first_day: Path, tmp_path: Path) -> None:
    directory = tmp_path / "shop"
    shutil.copytree(first_day, directory)
    reader = Reader()
    with Shop(directory, scale=SCALE) as shop:
        for day in (1, 2, 3):
            if day > 1:
                shop.advance()
            reader.read(everything(shop))
            raw, rejects = expected(directory, day)
            assert reader.counts() == (raw, rejects)


def test_rows_are_staged_quarantined_or_collapsed(third_day: Path) -> None:
    with truth(third_day, 3) as connection:
        left = connection.sql("""
            select table_name, raw.count_rows - staging.count_rows - quarantine.count_rows
            from truth.raw_counts as raw
            join truth.staging_counts as staging
                on staging.model = concat('stg_', raw.source, '__', raw.table_name)
            join truth.quarantine_counts as quarantine on staging.model = quarantine.model
        """).fetchall()
    collapsed = dict(left)
    assert {name for name, count in collapsed.items() if count} == {"events", "payments"}
    assert (collapsed["events"], collapsed["payments"]) == (17, 12)


def test_marts_have_one_row_for_a_key_and_every_kind_of_dirt(third_day: Path) -> None:
    with truth(third_day, 3) as connection:
        for table, key in [
            ("dim_users", "user_id"),
            ("dim_products", "product_id"),
            ("fct_orders", "order_id"),
            ("fct_events", "event_id"),
            ("agg_daily_sales", "(ordered_on, currency)"),
            ("crm_contacts", "id"),
        ]:
            doubles = f"select count(*) - count(distinct {key}) from truth.{table}"
            assert connection.sql(doubles).fetchone() == (0,), table
    with truth(third_day, 1) as connection:
        kinds = connection.sql("select count(distinct (table_name, kind)) from truth.dirt_counts")
        assert kinds.fetchone() == (48,)


def test_average_rounds_half_a_cent_up(third_day: Path) -> None:
    with truth(third_day, 3) as connection:
        wrong = connection.sql("""
            select count(*) from truth.agg_daily_sales
            where abs(average_order_amount * count_orders - revenue) > 0.005 * count_orders
        """).fetchone()
    assert wrong == (0,)


@pytest.mark.parametrize("day", [0, 4])
def test_a_day_that_was_not_seen_has_no_truth(third_day: Path, day: int) -> None:
    with pytest.raises(ShopError, match=rf"No truth for day {day} .*it has seen the days 1 to 3"):
        truth(third_day, day)
