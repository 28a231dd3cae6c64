"""What the warehouse does not take is told with its reason, and there is always a way on."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import pytest

from loaders.errors import WarehouseFailed
from loaders.load import load
from loaders.warehouse import Target
from tests.integration.loaders.corner import fetch, sale, sales, shop

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

NEVER = """
create function raw_corner.refuse() returns trigger as
$$ begin raise exception 'not in this table'; end $$ language plpgsql;
create trigger refuse before insert on raw_corner.sales
for each row execute function raw_corner.refuse()
"""


@pytest.fixture
def warehouse(postgres: str) -> tuple[Target, Callable[[str], None]]:
    """A PostgreSQL with one row, and what runs a statement in it."""

    def run(sql: str) -> None:
        connection = psycopg2.connect(postgres)
        connection.autocommit = True
        connection.cursor().execute(sql)
        connection.close()

    target = Target(name="postgres", kind="postgres", dsn=postgres)
    load(shop(sale(1)), target=target)
    return target, run


def test_rows_that_are_refused_for_good_are_set_aside_and_read_again(
    warehouse: tuple[Target, Callable[[str], None]],
) -> None:
    target, run = warehouse
    run("alter table raw_corner.sales add constraint small check (id < 2)")
    for _ in range(2):
        with pytest.raises(WarehouseFailed, match=r"violates check constraint .*set aside"):
            load(shop(sale(2)), target=target)
    run("alter table raw_corner.sales drop constraint small")
    load(shop(sale(2)), target=target)
    assert [number for number, _ in sales(target)] == [1, 2]


def test_a_load_that_can_never_end_names_the_folder_to_move_away(
    warehouse: tuple[Target, Callable[[str], None]],
) -> None:
    target, run = warehouse
    run(NEVER)
    with pytest.raises(WarehouseFailed, match="not in this table") as told:
        load(shop(sale(2)), target=target)
    run("drop trigger refuse on raw_corner.sales")
    folder = re.findall(r"move the folder (\S+) away", str(told.value))[0]
    assert Path(folder).name == "corner"
    shutil.rmtree(folder)
    load(shop(sale(2), sale(3)), target=target)
    assert fetch(target, "select count(*), count(distinct id) from raw_corner.sales") == [(3, 3)]
