"""Pages that are counted are read to their end, whatever the API says of their size and number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from loaders.errors import LoaderError
from tests.integration.loaders.api_styles import ROWS
from tests.integration.loaders.web import Web
from tests.integration.loaders.web_source import ID, ONE, counts, fetch, loaded

if TYPE_CHECKING:
    from loaders.warehouse import Target

WHOLE = [(250, 250, 0, 0)]
OFFSET: dict[str, Any] = {"type": "offset", "limit": 100}
PAGES: dict[str, Any] = {"type": "page_number", "base_page": 1, "total_path": "total"}


def by_offset(asked: Any, *, most: int, total: int | None = 250, rows: Any = ROWS) -> Any:
    """Return what an API answers that gives so many rows at most, and tells of so many in all."""
    begin = int(asked.query["offset"])
    found = rows[begin : begin + min(int(asked.query["limit"]), most)]
    return {"items": found, **({"total": total} if total is not None else {})}


@pytest.mark.parametrize("total", [250, None])
def test_an_api_that_gives_fewer_rows_than_asked_for_gives_all(
    duckdb_target: Target, total: int | None
) -> None:
    pages = {**OFFSET, "total_path": "total" if total else None}
    with Web(lambda _, asked: by_offset(asked, most=30, total=total)) as web:
        assert counts(loaded(duckdb_target, web, {**ONE, "paginator": pages})) == WHOLE
    assert [int(one.query["offset"]) for one in web.asked][:3] == [0, 30, 60]


@pytest.mark.parametrize("total", [20, 100, 120, 249])
def test_a_total_that_is_too_low_is_no_end(duckdb_target: Target, total: int) -> None:
    rows = ROWS if total != 249 else [*ROWS, *({"id": number} for number in range(250, 300))]
    with Web(lambda _, asked: by_offset(asked, most=100, total=total, rows=rows)) as web:
        found = loaded(duckdb_target, web, {**ONE, "paginator": OFFSET})
    assert counts(found) == [(len(rows), len(rows), 0, 0)]


def test_a_total_that_is_too_high_is_told(duckdb_target: Target) -> None:
    with Web(lambda _, asked: by_offset(asked, most=100, total=100_000)) as web:
        found = loaded(duckdb_target, web, {**ONE, "paginator": OFFSET})
    assert counts(found) == WHOLE
    assert len(web.asked) == 6
    (told,) = [notice for notice in found.notices if "tells of" in notice]
    assert "tells of 100,000 rows, and nothing came after 250 rows" in told


@pytest.mark.parametrize("pages", [OFFSET, PAGES])
def test_an_empty_page_before_the_last_is_no_end(
    duckdb_target: Target, pages: dict[str, Any]
) -> None:
    def answer(_web: Web, asked: Any) -> Any:
        begin = int(asked.query.get("offset") or (int(asked.query["page"]) - 1) * 100)
        found = [] if begin == 100 else ROWS[begin : begin + 100]
        return {"items": found, "total": 3 if "page" in asked.query else 250}

    with Web(answer) as web:
        found = loaded(duckdb_target, web, {**ONE, "paginator": pages})
    assert counts(found) == [(150, 150, 0, 0)]
    assert len(web.asked) == 3


def test_a_total_of_rows_among_pages_by_number_is_taken_for_one(duckdb_target: Target) -> None:
    def answer(_web: Web, asked: Any) -> Any:
        begin = (int(asked.query["page"]) - 1) * 100
        return {"items": ROWS[begin : begin + 100], "total": len(ROWS)}

    with Web(answer) as web:
        found = loaded(duckdb_target, web, {**ONE, "paginator": PAGES})
    assert counts(found) == WHOLE
    assert len(web.asked) == 4
    assert [notice for notice in found.notices if "tells of" in notice] == []


def test_a_next_page_that_is_an_empty_text_is_none(duckdb_target: Target) -> None:
    def answer(_web: Web, asked: Any) -> Any:
        page = int(asked.query.get("page", 1))
        return {
            "items": ROWS[(page - 1) * 100 : page * 100],
            "next": f"/rows?page={page + 1}" if page < 3 else "",
        }

    pages = {"type": "json_link", "next_url_path": "next"}
    with Web(answer) as web:
        assert counts(loaded(duckdb_target, web, {**ONE, "paginator": pages})) == WHOLE


def test_rows_are_merged_by_their_key_where_nothing_else_is_said(duckdb_target: Target) -> None:
    with Web(lambda *_: {"items": ROWS}) as web:
        for _ in range(2):
            found = loaded(duckdb_target, web, write_disposition=None, columns=None)
            assert counts(found) == WHOLE
    assert fetch(duckdb_target, "select id, name from raw_web.rows order by id::int limit 1") == [
        ("0", "row 0")
    ]
    assert fetch(duckdb_target, "select count(*) from raw_web.rows") == [(250,)]


@pytest.mark.parametrize(
    "given", [{"write_disposition": None}, {"write_disposition": "replace", "columns": None}]
)
def test_a_list_without_a_key_says_what_becomes_of_its_rows(
    duckdb_target: Target, given: dict[str, Any]
) -> None:
    with Web(lambda *_: {"items": ROWS}) as web:
        with pytest.raises(LoaderError, match="'rows' has no primary_key"):
            loaded(duckdb_target, web, primary_key=None, **given)
        said = {"primary_key": None, "write_disposition": "replace", "columns": ID}
        for _ in range(2):
            assert counts(loaded(duckdb_target, web, **said)) == WHOLE
    assert fetch(duckdb_target, "select count(*) from raw_web.rows") == [(250,)]
