"""Rows that are too wide for the memory that loads keep to are given more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dlt
import duckdb
import pytest

from loaders.columns import columns
from loaders.load import load
from loaders.readers.database import table

if TYPE_CHECKING:
    from pathlib import Path

    from loaders.warehouse import Target
    from tests.integration.loaders.drop_folder import DropFolder

pytestmark = pytest.mark.slow

COLUMNS = range(1, 250)
ROWS = 40_000


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_files_of_hundreds_of_columns(drop: DropFolder, form: str) -> None:
    values = ", ".join(f"md5((id * {n})::varchar) as c{n}" for n in COLUMNS)
    rows = f"select id, {values} from range({ROWS}) as t(id)"
    duckdb.execute(f"copy ({rows}) to '{drop.path / f'wide.{form}'}' (format {form})")
    assert drop.counts() == (ROWS, ROWS, 0)


def test_a_database_table_of_hundreds_of_columns_and_of_large_values(
    tmp_path: Path, duckdb_target: Target
) -> None:
    import sqlite3

    path = tmp_path / "wide.sqlite"
    with sqlite3.connect(path) as connection:
        numbers = "with recursive t(id) as (select 1 union all select id + 1 from t where id < {})"
        wide = ", ".join(f"hex(id * {n}) as c{n}" for n in COLUMNS)
        connection.execute(
            f"create table wide as {numbers.format(ROWS)} select cast(id as bigint) as id, {wide} "
            "from t"
        )
        connection.execute(
            f"create table large as {numbers.format(40)} "
            "select cast(id as bigint) as id, hex(zeroblob(3000000)) as text from t"
        )

    @dlt.source(name="wide")
    def wide_source() -> Any:
        url = f"sqlite:///{path}"
        for name in ("wide", "large"):
            yield table(name, url, key="id", columns=columns(id="bigint"))

    found = load(wide_source(), target=duckdb_target)
    assert {count.table: count.loaded for count in found.tables} == {"wide": ROWS, "large": 40}
