"""Columns whose names the warehouse writes alike lose nothing to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dlt
import duckdb
import pytest

from loaders.columns import columns
from loaders.dispositions import REPLACE_KEYS
from loaders.load import load
from tests.integration.loaders.databases import rows

if TYPE_CHECKING:
    from loaders.warehouse import Target
    from tests.integration.loaders.drop_folder import DropFolder

ID = columns(id="bigint")
HEADER = "ID,id,é,è,_line,数量,"
NAMES = 'id, id_2, e, e_2, _line_2, "数量"'
GIVEN = {"ID": "nine", "id": 1, "é": "a", "è": "b", "_line": "x", "数量": "5"}
ROW = (1, "nine", "a", "b", "x", "5")


def test_of_a_csv_file(drop: DropFolder) -> None:
    drop.write("a.csv", f"{HEADER}\n{','.join(map(str, GIVEN.values()))},last\n")
    assert drop.counts(columns=ID, pattern="*.csv") == (1, 1, 0)
    assert drop.rows(f"{NAMES}, column_7") == [(*ROW, "last")]


def test_of_json_lines_in_one_object_and_in_several(drop: DropFolder) -> None:
    together = str(GIVEN).replace("'", '"')
    drop.write("a.jsonl", f'{together}\n{{"Id": 2, "é": "c"}}\n{{"id": 3, "è": "d", "": "e"}}\n')
    assert drop.counts(columns=ID, pattern="*.jsonl") == (3, 3, 0)
    nothing = (None, None, None)
    assert drop.rows(f"{NAMES}, unnamed") == [
        (*ROW, None),
        (2, None, "c", *nothing, None),
        (3, None, None, "d", None, None, "e"),
    ]


def test_of_a_parquet_file(drop: DropFolder) -> None:
    sql = "select 1 as id, 'a' as \"é\", 'b' as \"è\", 'x' as _line, '5' as \"数量\""
    duckdb.execute(f"copy ({sql}) to '{drop.path / 'a.parquet'}' (format parquet)")
    assert drop.counts(columns=ID, pattern="*.parquet") == (1, 1, 0)
    assert drop.rows(NAMES.replace("id_2, ", "")) == [(1, *ROW[2:])]


@pytest.mark.parametrize("pages", [[[GIVEN, {"Id": 2}]], [[GIVEN], [{"ID": 2}]]])
def test_of_pages(pages: list[list[dict[str, Any]]], target: Target) -> None:
    hints: Any = {"primary_key": "id", "columns": ID, "write_disposition": REPLACE_KEYS}

    @dlt.source(name="odd")
    def odd() -> Any:
        return dlt.resource(pages, name="things", **hints)

    load(odd(), target=target)
    names = 'id, id_2, e, e_2, _line, "数量"'
    found = rows(target, f"select {names} from raw_odd.things order by id")
    assert found == [ROW, (2, None, None, None, None, None)]


def test_columns_that_are_named_like_parts_of_a_merge(target: Target) -> None:
    declared = columns(id="bigint", d="json", s="json", page="json", held="json", n="bigint")
    hints: Any = {"primary_key": "id", "columns": declared, "write_disposition": REPLACE_KEYS}
    nested = {name: {"id": 5, "n": 6} for name in ("d", "s", "page", "held")}

    def odd(n: int) -> Any:
        page = [{"id": 1, "n": n, **nested}]
        return dlt.source(lambda: dlt.resource(page, name="things", **hints), name="odd")()

    for n in (1, 2):
        load(odd(n), target=target)
    assert rows(target, "select id, n from raw_odd.things") == [(1, 2)]
