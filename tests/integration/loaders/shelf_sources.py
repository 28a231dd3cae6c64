"""The shelf, read as a source of each kind, by a load or without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dlt
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from dlt.sources.rest_api import rest_api_resources

from loaders.columns import columns, latest_first
from loaders.cursor import EPOCH, as_iso
from loaders.dispositions import REPLACE_KEYS
from loaders.readers.bounded import Bounded
from loaders.readers.numbered import Numbered, numbered_pages
from loaders.readers.session import Manners, PoliteSession
from loaders.senders.endpoint import Patience

if TYPE_CHECKING:
    from dlt.extract import DltSource

    from tests.integration.loaders.shelf import Shelf

ROWS = latest_first(columns(id="bigint", name="text", updated_at="timestamp"), "updated_at")
HASTE = Patience(attempts=3, first_pause=0.01, longest_pause=0.05, longest_retry_after=2)


def polite(**settings: Any) -> PoliteSession:
    return PoliteSession(Manners(**{"patience": HASTE, "timeout": 10, **settings}))


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
        return rest_api_resources({"client": client, "resources": [RESOURCE]})

    return source()


RESOURCE: Any = {
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


def read_by_number(
    shelf: Shelf, *, readings: int = 5, pages_at_once: int = 4, **settings: Any
) -> set[Any]:
    """The ids that come by page number, without a load around it."""
    pages = Numbered(
        url=f"{shelf.url}/pages",
        key="id",
        params={"access_token": "hidden"},
        size=10,
        readings=readings,
        at_once=pages_at_once,
    )
    return {one["id"] for page in numbered_pages(polite(**settings), pages) for one in page}
