"""A warehouse that cannot be used is told in a sentence, with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from loaders.errors import WarehouseFailed
from loaders.warehouse import Target


@pytest.mark.parametrize("name", ["raw_drop.duckdb", "staging.duckdb", "marts.db"])
def test_a_file_named_like_a_schema_is_refused_at_once(tmp_path: Path, name: str) -> None:
    target = Target(name="duckdb", kind="duckdb", path=tmp_path / name)
    with pytest.raises(WarehouseFailed, match="its name is that of a schema"):
        target.connect()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"no database " * 2_000, b"\0" * 20_000])
def test_a_damaged_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(content)
    with pytest.raises(WarehouseFailed, match=r"Cannot open the warehouse .* move it away"):
        Target(name="duckdb", kind="duckdb", path=path).connect()
    assert path.read_bytes() == content


def test_an_address_that_is_none_is_told_without_its_password() -> None:
    dsn = "postgresql://somebody:hunter2%zz@localhost:port/warehouse"
    with pytest.raises(WarehouseFailed, match="TIDEMILL_POSTGRES_DSN") as found:
        Target(name="postgres", kind="postgres", dsn=dsn).connect()
    assert "hunter2" not in str(found.value)


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="nowhere that root may not write to")
def test_a_place_that_may_not_be_written_to_is_not_told_as_damage() -> None:
    place = Path("/sys/warehouse.duckdb")
    with pytest.raises(WarehouseFailed, match=r"Nothing in it was touched\. See that this user"):
        Target(name="duckdb", kind="duckdb", path=place).connect()
