"""An API that is asked for what is new is asked for a time, and never for nothing at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from loaders.columns import columns
from loaders.errors import LoaderError
from tests.integration.loaders.web import Web
from tests.integration.loaders.web_source import counts, loaded

if TYPE_CHECKING:
    from loaders.warehouse import Target
    from tests.integration.loaders.web import Asked

ROWS = [{"id": day, "updated_at": f"2026-01-{day:02}T10:00Z"} for day in range(1, 11)]
SINCE = "{incremental.start_value}"
DECLARED = columns(id="bigint", updated_at="timestamp")


def answer(_web: Web, asked: Asked) -> Any:
    """Return the rows from a time on, as one that compares texts does."""
    return {"items": [row for row in ROWS if str(row["updated_at"]) >= asked.query["since"]]}


def endpoint(since: Any, **incremental: Any) -> dict[str, Any]:
    cursor = {"incremental": {"cursor_path": "updated_at", **incremental}} if incremental else {}
    pages = {"data_selector": "items", "paginator": "single_page"}
    return {"path": "rows", "params": {"since": since}, **pages, **cursor}


@pytest.mark.parametrize(
    "wanted",
    [
        endpoint(SINCE, initial_value="2026-01-06"),
        endpoint(
            {"type": "incremental", "cursor_path": "updated_at", "initial_value": "2026-01-06"}
        ),
    ],
)
def test_only_what_is_new_is_asked_for(duckdb_target: Target, wanted: dict[str, Any]) -> None:
    with Web(answer) as web:
        assert counts(loaded(duckdb_target, web, wanted, columns=DECLARED)) == [(5, 5, 0, 0)]
        assert counts(loaded(duckdb_target, web, wanted, columns=DECLARED)) == [(1, 0, 1, 0)]
    asked = [one.query["since"] for one in web.asked]
    assert asked == ["2026-01-06T00:00:00+00:00", "2026-01-10T10:00:00+00:00"]


@pytest.mark.parametrize(
    ("declared", "incremental"),
    [
        (None, {"lag": 0}),
        (columns(id="bigint"), {"initial_value": "2026-01-06"}),
        (columns(id="bigint", updated_at="text"), {"lag": 0}),
    ],
)
def test_a_cursor_that_is_no_declared_time_is_told(
    duckdb_target: Target, declared: Any, incremental: dict[str, Any]
) -> None:
    told = "'rows' cannot be read by 'updated_at': it is not declared as a timestamp"
    with Web(answer) as web, pytest.raises(LoaderError, match=told):
        loaded(duckdb_target, web, endpoint(SINCE, **incremental), columns=declared)
    assert web.asked == []


def test_a_cursor_of_another_type_begins_where_it_is_said(duckdb_target: Target) -> None:
    wanted = endpoint(SINCE, initial_value="2026-01-06")
    declared = columns(id="bigint", updated_at="text")
    with Web(answer) as web:
        assert counts(loaded(duckdb_target, web, wanted, columns=declared)) == [(5, 5, 0, 0)]
