"""A column that is declared otherwise changes its raw table first, or stops it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dlt
import pytest

from loaders.columns import columns
from loaders.dispositions import REPLACE_KEYS
from loaders.errors import LoaderError
from loaders.load import load
from tests.integration.loaders.databases import rows

if TYPE_CHECKING:
    from dlt.extract import DltSource

    from loaders.warehouse import Target


def things(target: Target, names: str = "id") -> list[tuple[Any, ...]]:
    """Return rows of committed loads."""
    committed = "select load_id from raw_world._dlt_loads where status = 0"
    found = f"select {names} from raw_world.things where _dlt_load_id in ({committed})"
    return rows(target, f"{found} order by id")


def typed(kind: str, value: Any) -> DltSource:
    @dlt.source(name="world")
    def world() -> Any:
        hints = columns(id="bigint", size=kind)
        given: Any = {"name": "things", "primary_key": "id", "write_disposition": REPLACE_KEYS}
        return dlt.resource([[{"id": value[0], "size": value[1]}]], columns=hints, **given)

    return world()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "second", "sizes"),
    [
        (("bigint", "1"), ("double", "2.5"), ["1.0", "2.5"]),
        (("bigint", "1"), ("decimal(18, 2)", "2.5"), ["1.00", "2.50"]),
        (("bigint", "1"), ("text", "two"), ["1", "two"]),
        (("text", "1"), ("bigint", "2"), ["1", "2"]),
    ],
)
def test_a_column_declared_otherwise_gets_its_new_type_first(
    first: Any, second: Any, sizes: list[str], target: Target
) -> None:
    load(typed(first[0], (1, first[1])), target=target)
    result = load(typed(second[0], (2, second[1])), target=target)
    told = f"world.things: 'size' was {first[0]} and is {second[0]} now."
    assert result.notices == (told,)
    assert [str(size) for (size,) in things(target, "size")] == sizes
    assert load(typed(second[0], (2, second[1])), target=target).notices == ()


@pytest.mark.parametrize("declared", [{"size": "double"}, {"size": "bigint", "color": "text"}])
def test_a_table_is_changed_once_though_nothing_new_comes(
    target: Target, declared: dict[str, str]
) -> None:
    load(typed("bigint", (1, "1")), target=target)

    @dlt.source(name="world")
    def world() -> Any:
        given: Any = {"name": "things", "primary_key": "id", "write_disposition": REPLACE_KEYS}
        return dlt.resource([], columns=columns(id="bigint", **declared), **given)

    first, second = (load(world(), target=target) for _ in range(2))
    assert len(first.notices) == 1
    assert (second.notices, first.tables, second.tables) == ((), (), ())
    assert things(target) == [(1,)]


@pytest.mark.slow
def test_a_type_may_go_back_and_forth(target: Target) -> None:
    for number, kind in enumerate(["bigint", "decimal(18, 2)", "bigint", "decimal(18, 2)"]):
        load(typed(kind, (number, "1")), target=target)
    load(typed("decimal(18, 2)", (9, "2.5")), target=target)
    assert [str(size) for (size,) in things(target, "size")] == [*["1.00"] * 4, "2.50"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("text", "one"), ("bigint", "2")),
        (("double", "1.5"), ("bigint", "2")),
        (("decimal(18, 4)", "1.2345"), ("decimal(18, 2)", "2")),
        (("timestamp", "2026-01-01T10:00:00Z"), ("date", "2026-01-02")),
    ],
)
def test_a_type_that_what_is_there_does_not_fit_stops_its_table_and_changes_nothing(
    first: Any, second: Any, target: Target
) -> None:
    load(typed(first[0], (1, first[1])), target=target)
    before = things(target, "id, size")
    with pytest.raises(
        LoaderError, match=f"declared as .*, and the raw table has it as {first[0][:4]}"
    ):
        load(typed(second[0], (2, second[1])), target=target)
    assert things(target, "id, size") == before
    load(typed(first[0], (3, first[1])), target=target)
    assert len(things(target)) == 2
