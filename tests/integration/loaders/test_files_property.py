"""Whatever stands in a file, each of its rows is loaded or rejected, under its own line."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loaders.columns import columns
from loaders.warehouse import Target
from tests.integration.loaders.drop_folder import DropFolder
from tests.integration.loaders.examples import LOADS

DECLARED = columns(
    id="bigint", name="text", share="double", amount="decimal(18, 2)", paid_at="timestamp"
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
NOTED = st.sampled_from(["1", "1.5", "1e3", "", " ", '"', "a\nb", "a\r\nb", "-0", "0x1F"]) | (
    st.sampled_from(
        ["2026-01-31", "2026-01-31T10:00:00 Europe/Berlin", "nan", "infinity", "{", "\0"]
    )
)
VALUES = TEXTS | NOTED | st.integers(-(2**63), 2**63 - 1).map(str)
ROWS = st.lists(st.tuples(*[VALUES] * 5), min_size=1, max_size=12)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | VALUES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
OBJECTS = st.dictionaries(st.sampled_from([*DECLARED, "extra", "ID"]) | TEXTS, ANYTHING, max_size=6)
LINES = st.lists(OBJECTS.map(json.dumps) | NOTED.map(lambda text: text.split("\n")[0]), max_size=12)


@pytest.mark.slow
@LOADS
@given(rows=ROWS)
def test_rows_of_csv_are_accounted_for(rows: list[tuple[str, ...]]) -> None:
    with TemporaryDirectory() as folder:
        drop = dropped(folder)
        with (drop.path / "a.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([list(DECLARED), *rows])
        read, loaded, rejected = drop.counts(columns=DECLARED)
        assert (read, loaded + rejected) == (len(rows), len(rows))
        names = Counter(row[1] or None for row in rows)
        assert not Counter(name for (name, *_) in drop.rows("name, id, _line")) - names


@pytest.mark.slow
@LOADS
@given(lines=LINES, is_array=st.booleans())
def test_lines_and_arrays_of_json_are_accounted_for(lines: list[str], *, is_array: bool) -> None:
    with TemporaryDirectory() as folder:
        drop = dropped(folder)
        if is_array:
            lines = [line for line in lines if line.startswith("{") and is_json(line)]
            drop.write("a.json", f"[{', '.join(lines)}]")
        else:
            drop.write("a.jsonl", "".join(f"{line}\n" for line in lines))
        there = [number for number, line in enumerate(lines, 1) if line.strip(" \r")]
        read, loaded, rejected = drop.counts(columns=DECLARED)
        assert (read, loaded + rejected) == (len(there), len(there)), drop.rejects()
        found: list[Any] = [line for (line, _) in drop.rows("_line, _file")]
        found += [int(row[1]) for row in drop.rejects()]
        if not any("\r" in line for line in lines):  # among others DuckDB counts these ends twice
            assert sorted(found) == there


def dropped(folder: str) -> DropFolder:
    """Return an empty folder of files, and a warehouse."""
    os.environ["TIDEMILL_VAR"] = folder
    target = Target(name="duckdb", kind="duckdb", path=Path(folder) / "warehouse.duckdb")
    return DropFolder(Path(folder) / "files", target)


def is_json(line: str) -> bool:
    """Tell whether what Python takes for JSON is so: NaN is none."""
    constants: list[str] = []
    try:
        json.loads(line, parse_constant=constants.append)
    except ValueError:
        return False
    return not constants
