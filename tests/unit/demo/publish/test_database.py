"""A strict database holds the same shop without the rows that no strict column can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg2
import pytest

from demo.errors import ShopError
from demo.shop import Shop
from demo.truth import truth
from tests.postgres_server import postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLES = ("products", "orders", "order_items")


@pytest.fixture
def postgres() -> Iterator[str]:
    """The address of an empty PostgreSQL."""
    with postgres_server() as address:
        yield address


def counts(url: str) -> dict[str, int]:
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        found = {}
        for table in TABLES:
            cursor.execute(f"select count(*) from {table}")
            found[table] = cursor.fetchone()[0]
    connection.close()
    return found


def test_postgres_holds_what_the_truth_says(postgres: str, tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", scale=0.1, database_url=postgres)
    for day in (1, 2):
        shop.advance()
        with truth(shop.directory, day) as expected:
            raw, rejects = (
                expected.sql(
                    f"select table_name, count_rows from truth.{name} where source = 'shop_db'"
                ).fetchall()
                for name in ("raw_counts", "rejects")
            )
        assert counts(postgres) == dict(raw)
        assert dict(rejects) == dict.fromkeys(TABLES, 0)


def test_a_database_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://tide:secret@127.0.0.1:9/shop"
    with pytest.raises(ShopError, match=r"tide:\*\*\*@127\.0\.0\.1:9/shop' could not be used"):
        Shop(tmp_path / "shop", scale=0.1, database_url=url).advance()


def test_a_missing_driver_is_named(tmp_path: Path) -> None:
    url = "mysql+mysqldb://tide@127.0.0.1:9/shop"
    with pytest.raises(ShopError, match="could not be used: No module named 'MySQLdb'"):
        Shop(tmp_path / "shop", scale=0.1, database_url=url).advance()
