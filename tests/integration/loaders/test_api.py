"""An API's rows arrive once each, whatever its server does while it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dlt
import pytest
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from dlt.sources.rest_api import rest_api_resources

from loaders.columns import columns, latest_first
from loaders.cursor import EPOCH
from loaders.dispositions import REPLACE_KEYS
from loaders.errors import LoaderError
from loaders.load import load
from loaders.readers.bounded import Bounded
from loaders.readers.numbered import Numbered, numbered_pages
from loaders.readers.session import PoliteSession
from tests.integration.loaders.shelf import Shelf, row
from tests.integration.loaders.shelf_sources import (
    RESOURCE,
    by_cursor,
    by_number,
    polite,
    read_by_number,
)

if TYPE_CHECKING:
    from dlt.extract import DltSource

    from demo.shop import Shop
    from loaders.warehouse import Target


def fetch(target: Target, sql: str) -> list[tuple[Any, ...]]:
    with target.connect() as connection:
        return connection.execute(sql).fetchall()


def ids(target: Target) -> list[int]:
    return [number for (number,) in fetch(target, "select id from raw_shelf.rows order by id")]


@pytest.mark.parametrize("make", [by_cursor, by_number])
def test_rows_are_loaded_once_and_new_ones_later(target: Target, shelf: Shelf, make: Any) -> None:
    first = load(make(shelf), target=target)
    assert [(t.loaded, t.rejected) for t in first.tables] == [(95, 0)]
    assert sum(t.loaded for t in load(make(shelf), target=target).tables) == 0
    shelf.rows += [row(95), row(96)]
    shelf.rows.append({**shelf.rows.pop(3), "updated_at": row(97)["updated_at"]})
    assert [t.loaded for t in load(make(shelf), target=target).tables] == [3]
    assert ids(target) == list(range(97))


@pytest.mark.parametrize("change", ["insert", "delete", "move", "replace"])
@pytest.mark.parametrize("number", [2, 3, 4, 7, 12])
def test_rows_that_shift_while_they_are_read_are_not_lost(
    shelf: Shelf, change: str, number: int
) -> None:
    def shift(request: int, _shelf: Shelf) -> None:
        if request != number:
            return
        if change in {"delete", "replace"}:
            shelf.rows.pop(1)
        if change in {"insert", "replace"}:
            shelf.rows.append(row(200))
        if change == "move":
            shelf.rows.append({**shelf.rows.pop(2), "updated_at": row(200)["updated_at"]})

    shelf.before = shift
    found = read_by_number(shelf, pages_at_once=1)
    left = {one["id"] for one in shelf.rows}
    assert left <= found <= left | {1}


def test_pages_that_repeat_or_end_early_are_read_again(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = shelf.answer

    def wrong(path: str, query: dict[str, str]) -> dict[str, Any]:
        asked = len(shelf.asked)
        if asked == 5:
            return honest(path, {**query, "page": "2"})
        found = honest(path, query)
        return {**found, "items": found["items"][:4]} if asked == 20 else found

    monkeypatch.setattr(shelf, "answer", wrong)
    assert read_by_number(shelf, pages_at_once=1) == set(range(95))
    assert len(shelf.asked) == 36


@pytest.mark.parametrize("make", [by_cursor, by_number])
def test_misfits_are_rejected_with_their_page_and_without_secrets(
    duckdb_target: Target, shelf: Shelf, make: Any
) -> None:
    shelf.rows[42]["id"] = "forty-two"
    load(make(shelf), target=duckdb_target)
    sql = "select reason, origin, position from raw_shelf._rejects"
    ((reason, origin, position),) = fetch(duckdb_target, sql)
    assert reason == "id: 'forty-two' is not a bigint; id is missing"[: len(reason)]
    assert origin.startswith(shelf.url)
    assert "hidden" not in origin
    assert "=***" in origin
    assert ("cursor=40" in origin) or ("page=5" in origin)
    assert position == "forty-two"


def test_children_are_read_for_each_parent(duckdb_target: Target, shelf: Shelf) -> None:
    del shelf.rows[12:]

    def once(number: int) -> str | None:
        """Fail now and then, but no page twice, in whatever order they are asked for."""
        paths = [path for _, path in shelf.asked]
        return "500" if number % 6 == 0 and paths.count(paths[-1]) == 1 else None

    shelf.fault = once
    child: Any = {
        "name": "children",
        "primary_key": "id",
        "write_disposition": REPLACE_KEYS,
        "columns": columns(id="bigint", parent_id="bigint"),
        "endpoint": {
            "path": "parents/{resources.rows.id}/children",
            "data_selector": "items",
            "paginator": "single_page",
        },
    }
    client: Any = {"base_url": shelf.url, "session": polite()}
    pages = {"type": "cursor", "cursor_path": "next_cursor", "cursor_param": "cursor"}

    @dlt.source(name="shelf")
    def source() -> Any:
        config: Any = {
            "client": {**client, "paginator": pages},
            "resources": [RESOURCE, child],
        }
        return rest_api_resources(config)

    load(source(), target=duckdb_target)
    sql = "select count(*), count(distinct parent_id) from raw_shelf.children"
    assert fetch(duckdb_target, sql) == [(36, 12)]


def test_an_api_that_refuses_us_is_told(duckdb_target: Target, shelf: Shelf) -> None:
    shelf.fault = lambda _number: "401"
    with pytest.raises(LoaderError, match=r"refused us .*HTTP 401") as told:
        load(by_cursor(shelf), target=duckdb_target)
    assert not told.value.retryable


def test_the_shop_gives_the_same_users_by_page_as_by_cursor(
    duckdb_target: Target, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loaders.sources.shop_api import USERS, shop_api

    shop.advance()
    place = shop.environment()
    base_url, token = place["SOURCES__SHOP_API__BASE_URL"], place["SOURCES__SHOP_API__TOKEN"]
    load(shop_api(base_url, token, batch_size=20), target=duckdb_target)

    @dlt.resource(
        name="users",
        primary_key="id",
        columns=latest_first(USERS, "updated_at"),
        write_disposition=REPLACE_KEYS,
    )
    def users() -> Any:
        session = PoliteSession()
        session.headers["Authorization"] = f"Bearer {token}"
        pages = Numbered(url=f"{base_url}/users/pages", key="id", size=20)
        yield from numbered_pages(session, pages)

    @dlt.source(name="paged")
    def paged() -> Any:
        return users

    load(paged(), target=duckdb_target)
    names = "id, email, first_name, last_name, phone, country_code, created_at, updated_at"
    by_page = fetch(duckdb_target, f"select {names} from raw_paged.users order by id")
    assert by_page == fetch(duckdb_target, f"select {names} from raw_shop_api.users order by id")
    assert len(by_page) > 380


def test_names_in_camel_case_are_keys_and_cursors_as_any_other(target: Target) -> None:
    rows_ = [row(number, rowNo=number, changedAt=row(number)["updated_at"]) for number in range(25)]
    declared = columns(rowNo="bigint", changedAt="timestamp")

    def camels(url: str) -> DltSource:
        config: Any = {
            "name": "rows",
            "primary_key": "rowNo",
            "write_disposition": REPLACE_KEYS,
            "columns": latest_first(declared, "changedAt"),
            "endpoint": {
                "path": "rows",
                "data_selector": "items",
                "incremental": {"cursor_path": "changedAt", "initial_value": EPOCH},
            },
        }
        pages = JSONResponseCursorPaginator(cursor_path="next_cursor", cursor_param="cursor")
        client: Any = {"base_url": url, "session": polite(), "paginator": Bounded(pages)}

        @dlt.source(name="shelf")
        def source() -> Any:
            return rest_api_resources({"client": client, "resources": [config]})

        return source()

    with Shelf(rows_) as shelf:
        (first,) = load(camels(shelf.url), target=target).tables
        shelf.rows[24]["changedAt"] = "2026-02-01T00:00:00Z"
        (again,) = load(camels(shelf.url), target=target).tables
    assert (first.read, first.loaded) == (25, 25)
    assert again.loaded == 1
    assert fetch(target, "select count(*), count(distinct row_no) from raw_shelf.rows") == [
        (25, 25)
    ]


def test_pages_that_are_asked_for_by_post_arrive(shelf: Shelf, duckdb_target: Target) -> None:
    pages = JSONResponseCursorPaginator(cursor_path="next_cursor", cursor_body_path="cursor")
    endpoint = {"method": "POST", "json": {"limit": 20}, "path": "rows", "data_selector": "items"}
    client: Any = {
        "base_url": shelf.url,
        "session": polite(),
        "paginator": Bounded(pages),
    }

    @dlt.source(name="shelf")
    def source() -> Any:
        return rest_api_resources(
            {"client": client, "resources": [{**RESOURCE, "endpoint": endpoint}]}
        )

    (table,) = load(source(), target=duckdb_target).tables
    assert (table.read, table.loaded, len(shelf.asked)) == (95, 95, 5)
