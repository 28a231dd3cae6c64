"""An API's rows arrive once each, whatever its server does while it is read."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import dlt
import pytest
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from dlt.sources.rest_api import rest_api_resources

from loaders.columns import columns, latest_first
from loaders.cursor import EPOCH, as_iso
from loaders.dispositions import REPLACE_KEYS
from loaders.errors import LoaderError, SourceRefused, SourceUnreachable
from loaders.load import load
from loaders.readers.api import Bounded, Numbered, numbered_pages
from loaders.readers.session import Manners, PoliteSession
from loaders.senders.endpoint import Patience
from tests.integration.loaders.shelf import Shelf, row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlt.extract import DltSource

    from demo.shop import Shop
    from loaders.warehouse import Target

ROWS = latest_first(columns(id="bigint", name="text", updated_at="timestamp"), "updated_at")
HASTE = Patience(attempts=3, first_pause=0.01, longest_pause=0.05, longest_retry_after=2)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with Shelf([row(number) for number in range(95)]) as opened:
        yield opened


def polite(**settings: Any) -> PoliteSession:
    return PoliteSession(Manners(patience=HASTE, **{"timeout": 0.3, **settings}))


def by_cursor(shelf: Shelf, *, most_pages: int = 100, **settings: Any) -> DltSource:
    """The rows by dlt's rest_api, with a child of each of the first."""
    pages = JSONResponseCursorPaginator(cursor_path="next_cursor", cursor_param="cursor")
    client: Any = {
        "base_url": shelf.url,
        "session": polite(**settings),
        "paginator": Bounded(pages, most_pages),
    }

    @dlt.source(name="shelf")
    def source() -> Any:
        return rest_api_resources({"client": client, "resources": [_ROWS]})

    return source()


_ROWS: Any = {
    "name": "rows",
    "primary_key": "id",
    "write_disposition": REPLACE_KEYS,
    "columns": ROWS,
    "endpoint": {
        "path": "rows",
        "data_selector": "items",
        "params": {"limit": 10, "since": "{incremental.start_value}", "api_key": "hidden"},
        "incremental": {"cursor_path": "updated_at", "initial_value": EPOCH, "convert": as_iso},
    },
}


def by_number(shelf: Shelf, *, size: int = 10, readings: int = 5, **settings: Any) -> DltSource:
    changed = dlt.sources.incremental[Any]("updated_at", initial_value=EPOCH)

    @dlt.resource(name="rows", primary_key="id", columns=ROWS, write_disposition=REPLACE_KEYS)
    def rows(updated_at: Any = changed) -> Any:
        since = as_iso(updated_at.last_value).replace("+00:00", "Z")
        pages = Numbered(
            url=f"{shelf.url}/pages",
            key="id",
            params={"since": since, "access_token": "hidden"},
            size=size,
            readings=readings,
        )
        yield from numbered_pages(polite(**settings), pages)

    @dlt.source(name="shelf")
    def source() -> Any:
        return rows

    return source()


def read_by_cursor(shelf: Shelf, *, most_pages: int = 100, **settings: Any) -> set[Any]:
    """The ids that dlt's client reads, without a load around it."""
    pages = JSONResponseCursorPaginator(cursor_path="next_cursor", cursor_param="cursor")
    client = RESTClient(shelf.url, paginator=Bounded(pages, most_pages), session=polite(**settings))
    params = {"limit": 10, "api_key": "hidden"}
    found = client.paginate("rows", params=params, data_selector="items")
    return {one["id"] for page in found for one in page}


def read_by_number(shelf: Shelf, *, readings: int = 5, **settings: Any) -> set[Any]:
    """The ids that come by page number, without a load around it."""
    params = {"access_token": "hidden"}
    url = f"{shelf.url}/pages"
    pages = Numbered(url=url, key="id", params=params, size=10, readings=readings)
    return {
        one["id"]
        for page in numbered_pages(polite(**{"timeout": 10, **settings}), pages)
        for one in page
    }


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


@pytest.mark.parametrize("read", [read_by_cursor, read_by_number])
@pytest.mark.parametrize("fault", ["429", "500", "truncated", "cut", "hang"])
def test_a_page_that_fails_is_asked_for_again(shelf: Shelf, read: Any, fault: str) -> None:
    shelf.fault = lambda number: fault if number in {2, 3, 7} else None
    assert read(shelf, at_once=1) == set(range(95))


@pytest.mark.parametrize("read", [read_by_cursor, read_by_number])
@pytest.mark.parametrize("fault", ["500", "truncated", "cut", "hang"])
def test_a_page_that_goes_on_failing_stops_the_load_and_loses_nothing(
    shelf: Shelf, read: Any, fault: str
) -> None:
    shelf.fault = lambda number: fault if number >= 4 else None
    with pytest.raises(SourceUnreachable, match=r"gave no answer: .*, 3 times") as told:
        read(shelf)
    assert told.value.retryable
    assert "hidden" not in str(told.value)
    shelf.fault = lambda _number: None
    assert read(shelf) == set(range(95))


def test_retry_after_is_honoured_by_all_calls(shelf: Shelf) -> None:
    shelf.retry_after = "0.4"
    shelf.fault = lambda number: "429" if number == 3 else None
    read_by_number(shelf)
    times = [moment for moment, _ in shelf.asked]
    refused = times[2]
    assert all(moment - refused >= 0.38 for moment in times[7:])


def test_a_retry_after_that_is_too_long_is_told(shelf: Shelf) -> None:
    shelf.retry_after = "3600"
    shelf.fault = lambda number: "429" if number == 3 else None
    with pytest.raises(SourceUnreachable, match="asks to wait 3600 s"):
        read_by_cursor(shelf)


def test_calls_keep_to_the_rate(shelf: Shelf) -> None:
    shelf.calls_a_second = 20
    read_by_number(shelf, rate=20, burst=1)
    assert shelf.statuses == {"200": len(shelf.asked)}
    times = [moment for moment, _ in shelf.asked]
    assert times[-1] - times[0] >= (len(times) - 1) / 20 * 0.95
    assert min(later - earlier for earlier, later in pairwise(times)) > 0.02


def test_pages_are_under_way_side_by_side_and_no_more_than_allowed(shelf: Shelf) -> None:
    shelf.delay = 0.05
    read_by_number(shelf, at_once=3)
    assert shelf.most_in_flight == 3


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
    found = read_by_number(shelf, at_once=1)
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
    assert read_by_number(shelf, at_once=1) == set(range(95))
    assert len(shelf.asked) == 36


def test_a_list_that_never_stands_still_is_told(shelf: Shelf) -> None:
    shelf.before = lambda number, _: shelf.rows.pop(0) if number % 4 == 0 else None
    with pytest.raises(SourceUnreachable, match="shifted during each of 2 readings") as told:
        read_by_number(shelf, readings=2)
    assert told.value.retryable


def test_too_many_pages_are_an_error(shelf: Shelf) -> None:
    with pytest.raises(SourceRefused, match=r"has more than 5 pages. Raise `most_pages`"):
        read_by_cursor(shelf, most_pages=5)


def test_pages_that_go_round_are_an_error(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = shelf.answer

    def round_(path: str, query: dict[str, str]) -> dict[str, Any]:
        return {**honest(path, query), "next_cursor": 10 if query.get("cursor") else 20}

    monkeypatch.setattr(shelf, "answer", round_)
    with pytest.raises(SourceRefused, match="go round"):
        read_by_cursor(shelf)


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
    shelf.fault = lambda number: "500" if number % 6 == 0 else None
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
            "resources": [_ROWS, child],
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
        client: Any = {"base_url": url, "session": polite(timeout=10), "paginator": Bounded(pages)}

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
        "session": polite(timeout=10),
        "paginator": Bounded(pages),
    }

    @dlt.source(name="shelf")
    def source() -> Any:
        return rest_api_resources(
            {"client": client, "resources": [{**_ROWS, "endpoint": endpoint}]}
        )

    (table,) = load(source(), target=duckdb_target).tables
    assert (table.read, table.loaded, len(shelf.asked)) == (95, 95, 5)
