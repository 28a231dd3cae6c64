"""A PostgreSQL whose disk is full says so, and takes all of a load once there is room."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest

from loaders.errors import WarehouseFailed
from loaders.load import load
from loaders.warehouse import Target
from tests.faults.kill_sources import kill_db, kill_files
from tests.postgres_server import postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.small import Small

pytestmark = pytest.mark.slow

ROWS = 30_000


@pytest.fixture
def target(small: Small) -> Iterator[Target]:
    """A database with its tables on a small disk."""
    with postgres_server() as server:
        with closing(psycopg2.connect(server)) as admin:
            admin.autocommit = True
            admin.cursor().execute("create database full_one")
        small.take(server, "full_one")
        dsn = server.replace("/postgres?", "/full_one?")
        yield Target(name="postgres", kind="postgres", dsn=dsn)


def from_files(folder: Path, first: int, count: int) -> Any:
    folder.mkdir(exist_ok=True)
    rows = (f"{n},name {n},1.50,2026-01-01\n" for n in range(first, first + count))
    (folder / f"{first}.csv").write_text("id,name,amount,day\n" + "".join(rows))
    return kill_files(str(folder)), "raw_kill_files.sales"


def from_database(folder: Path, first: int, count: int) -> Any:
    folder.mkdir(exist_ok=True)
    with closing(sqlite3.connect(folder / "far.sqlite")) as far:
        shape = "(id integer primary key, name text, amount numeric, updated_at text)"
        for table in ("orders", "items"):
            far.execute(f"create table if not exists {table} {shape}")
        rows = ((n, f"name {n}", 1.5, "2026-01-01") for n in range(first, first + count))
        far.executemany("insert into orders values (?, ?, ?, ?)", rows)
        far.commit()
    return kill_db(f"sqlite:///{folder / 'far.sqlite'}"), "raw_kill_db.orders"


@pytest.mark.parametrize("write", [from_files, from_database])
def test_a_full_disk_of_the_warehouse(
    write: Any, target: Target, small: Small, tmp_path: Path
) -> None:
    source, table = write(tmp_path / "far", 0, 10)
    load(source, target=target)
    source, table = write(tmp_path / "far", 10, ROWS)
    small.fill()
    for _ in range(2):
        with pytest.raises(WarehouseFailed, match=r"^The disk is full: .*No space left.*Make room"):
            load(source, target=target)
    small.free()
    load(source, target=target)
    load(source, target=target)
    with target.connect() as connection:
        sql = f"select count(*), count(distinct id), sum(id) from {table}"
        whole = ROWS + 10
        assert connection.execute(sql).fetchall() == [(whole, whole, whole * (whole - 1) // 2)]
