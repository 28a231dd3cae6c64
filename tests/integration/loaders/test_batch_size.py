"""The batch size bounds memory and never changes what arrives, whatever the source."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from demo.shop import Shop
from loaders.load import load
from loaders.warehouse import Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

SIZES = (1, 7, 1_000, 100_000)
NOT_ROWS = {"_dlt_load_id", "rejected_at", "origin"}
"""Differs from load to load: a page's URL, where a reject came from, names the page's size."""


@pytest.fixture(scope="module")
def tiny_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop of forty users, after its first day."""
    with Shop(tmp_path_factory.mktemp("tiny"), scale=0.02) as shop:
        shop.advance()
        yield shop


@pytest.mark.parametrize("source", ["shop_api", "shop_db", "event_files", "payment_queue"])
def test_the_result_is_the_same_at_every_batch_size(
    tiny_shop: Shop, source: str, tmp_path: Path
) -> None:
    os.environ.update(tiny_shop.environment())
    found = []
    for size in SIZES:
        os.environ["TIDEMILL_VAR"] = str(tmp_path / str(size))
        os.environ["SOURCES__PAYMENT_QUEUE__GROUP"] = f"group_{size}"
        path = tmp_path / str(size) / "warehouse.duckdb"
        target = Target(name="duckdb", kind="duckdb", path=path)
        result = load(source, target=target, settings={"batch_size": size})
        counts = sorted((t.table, t.read, t.loaded, t.collapsed, t.rejected) for t in result.tables)
        found.append((counts, contents(target, f"raw_{source}")))
    assert found[0][0]
    for counts, tables in found[1:]:
        assert counts == found[0][0]
        for table, rows in tables.items():
            assert rows == found[0][1][table]


def contents(target: Target, schema: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of a source's tables, without what tells one load from another."""
    with target.connect() as connection:
        tables = connection.execute(
            "select table_name from information_schema.tables where table_schema = ? "
            "and table_name not like '\\_dlt%' escape '\\' and table_name <> '_arriving'",
            [schema],
        ).fetchall()
        assert tables
        return {
            name: connection.execute(
                f"select {_columns(connection, schema, name)} from {schema}.{name} order by all"
            ).fetchall()
            for (name,) in tables
        }


def _columns(connection: Any, schema: str, table: str) -> str:
    names = connection.columns(schema, table)
    return ", ".join(f'"{name}"' for name in names if name not in NOT_ROWS)
