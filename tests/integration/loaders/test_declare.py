"""A source tells its tables without the settings that it takes to read them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from loaders import SOURCES
from loaders.errors import SettingMissing
from loaders.load import declare
from loaders.registry import find_source
from loaders.warehouse import Target

if TYPE_CHECKING:
    from pathlib import Path

TABLES = {
    "shop_api": {"users"},
    "shop_db": {"products", "orders", "order_items"},
    "event_files": {"events"},
    "payment_queue": {"payments"},
    "intake": {"users", "orders"},
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_that_was_never_loaded_has_empty_tables(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in [each for each in os.environ if each.startswith("SOURCES__")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("TIDEMILL_VAR", str(tmp_path))
    warehouse = Target(name="duckdb", kind="duckdb", path=tmp_path / "warehouse.duckdb")
    if name in {"shop_api", "shop_db", "payment_queue"}:
        with pytest.raises(
            SettingMissing, match=f"Looked at: the variable SOURCES__{name.upper()}"
        ):
            find_source(name)
    declare(name, target=warehouse)
    declare(name, target=warehouse)
    with warehouse.connect() as connection:
        tables = TABLES[name]
        counts = [connection.scalar(f"select count(*) from raw_{name}.{each}") for each in tables]
        assert counts == [0] * len(tables)
        assert connection.scalar(f"select count(*) from raw_{name}._rejects") == 0
