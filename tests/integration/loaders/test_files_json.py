"""JSON Lines whose objects have the same keys are read in a way of their own, with the same end."""

from __future__ import annotations

import json
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loaders.columns import columns
from tests.integration.loaders.examples import LOADS
from tests.integration.loaders.test_files_property import ANYTHING, NOTED, dropped

if TYPE_CHECKING:
    from tests.integration.loaders.drop_folder import DropFolder

DECLARED = columns(
    id="bigint",
    name="text",
    share="double",
    amount="decimal(18, 2)",
    exact="decimal(38, 10)",
    is_new="boolean",
    paid_at="timestamp",
    details="json",
)
NUMBERS = """
    0.00001 1e22 -1e-7 1e5 1E5 1.10 -0.0 1e400 100000000000000000.0 123456789012345678.0
    12345678901234567890123 18446744073709551615 19.990000000000002 123456789.123456789 1.0 0 7
    "1e-05" "|1e-05|" "a|b" true null "" "x" [] {} [1.10,0.00001] {"x":0.00001} NaN
"""
LINES = {
    "texts": [
        f'{{"name": "{text}"}}' for text in ["é", "\\u00e9", "😀", "\\ud83d\\ude00", "a\\nb"]
    ],
    "empty lines": ['{"id": 1}', "", '{"id": 2}', "  ", '{"id": 3}', "", ""],
    "broken": ['{"id": 1}', '{"id": 2', '{"id": 3} x', '{"id": 4}{"id": 5}', '{"id": 6}'],
    "no objects": ['{"id": 1}', "[1]", "5", "null", '"x"', "{}", '{"id": 2}'],
    "a key twice": ['{"id": 1}', '{"id": 2, "id": 3}', '{"id": 4}'],
    "a surrogate alone": ['{"name": "a"}', '{"name": "\\ud800"}', '{"name": "b"}'],
    "no text": ['{"name": "a"}', '{"name": "\tb"}', '{"name": "\\u0000"}', '{"name": "c"}'],
    "another key late": [*['{"id": 1}'] * 10_001, '{"id": 2, "undeclared": 3}', '{"id": 4}'],
    "a comma at the end": ['{"id": 1,}', '{"id": 2},', '{"id": 3}'],
}
OTHER_KEYS = '{"name": "first", "id": 0}'
"""Where this comes first, those below it are looked up key by key."""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_of_one_shape_are_read_as_they_are_among_others(drop: DropFolder, end: str) -> None:
    assert_same(drop, list(LINES.values()), end)


@pytest.mark.slow
def test_a_value_is_the_same_in_lines_of_one_shape_as_among_others(drop: DropFolder) -> None:
    values = [(name, value) for name in [*DECLARED, "undeclared"] for value in NUMBERS.split()]
    assert_same(drop, [[f'{{"{name}": {value}}}'] for name, value in values])


def test_the_last_line_need_not_end(drop: DropFolder) -> None:
    drop.write("a.jsonl", '{"id": 1}\n{"id": 2}')
    drop.write("b.jsonl.gz", '{"id": 3}\n{"id": 4}')
    drop.load(columns=DECLARED)
    assert drop.rows("id, _line") == [(1, 1), (2, 2), (3, 1), (4, 2)]


def test_lines_are_those_of_the_file_in_all_of_its_megabytes(drop: DropFolder) -> None:
    lines = 400_000
    rows = "".join(f'{{"id": {n}, "name": "{"x" * (n % 100)}"}}\n' for n in range(1, lines + 1))
    drop.write("a.jsonl", rows)
    drop.write("b.jsonl.gz", rows)
    assert drop.counts(columns=DECLARED) == (2 * lines, 2 * lines, 0)
    wrong = drop.rows("count(*), count(*) filter (where id <> _line or length(name) <> id % 100)")
    assert wrong == [(2 * lines, 0)]


@pytest.mark.slow
@LOADS
@given(
    objects=st.lists(
        st.fixed_dictionaries(
            dict.fromkeys([*DECLARED, "undeclared", "ID"], ANYTHING | st.integers().map(str))
        ),
        min_size=1,
        max_size=8,
    ),
    others=st.lists(NOTED.map(lambda text: text.split("\n")[0]), max_size=1),
)
def test_objects_of_one_shape_are_read_as_they_are_among_others(
    objects: list[dict[str, Any]], others: list[str]
) -> None:
    with TemporaryDirectory() as folder:
        assert_same(dropped(folder), [[*map(json.dumps, objects), *others]])


def assert_same(drop: DropFolder, files: list[list[str]], end: str = "\n") -> None:
    """Load files of lines as they are and below a line of other keys; compare what came of them."""
    for number, lines in enumerate(files):
        drop.write(f"{number}.jsonl", "".join(line + end for line in lines))
        drop.write(f"below-{number}.jsonl", "".join(line + end for line in [OTHER_KEYS, *lines]))
    read, loaded, rejected = drop.counts(columns=DECLARED)
    assert read == loaded + rejected
    found: dict[tuple[str, int], Any] = {}
    for origin, line, row in drop.rows("_file, _line, to_json(sales)::text"):
        values = json.loads(row) if isinstance(row, str) else row
        found[origin, line] = {**values, "_file": None, "_line": None}
    for origin, line, *told in drop.rejects():
        found[origin, int(line)] = told
    below = [place for place in found if place[0].startswith("below-") and place[1] > 1]
    assert len(below) == len(found) - len(files) - len(below)
    for origin, line in below:
        assert found[origin, line] == found[origin.removeprefix("below-"), line - 1], (origin, line)
