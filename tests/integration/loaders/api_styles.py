"""How well-known APIs give their lists: a server of each kind, and the endpoint that reads it.

The endpoints are those of docs/api-recipes.md.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from loaders.readers.api import in_rows
from tests.integration.loaders.web import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.loaders.web import Asked, Web

ROWS = [{"id": number, "name": f"row {number}"} for number in range(25)]


class Style(NamedTuple):
    """A kind of API."""

    answer: Callable[[Web, Asked], Any]
    endpoint: dict[str, Any]
    steps: tuple[dict[str, Any], ...] = ()


def linked(web: Web, asked: Asked) -> Any:
    """As GitHub: a list, and the next page in the header `Link`."""
    size, page = int(asked.query["per_page"]), int(asked.query.get("page", 1))
    more = f'<{web.url}/rows?per_page={size}&page={page + 1}>; rel="next", <x>; rel="last"'
    found = ROWS[(page - 1) * size : page * size]
    return Answer(found, headers={"Link": more} if page * size < len(ROWS) else {})


def after_last(_web: Web, asked: Asked) -> Any:
    """As Stripe: the next page is what comes after the last id."""
    begin, size = int(asked.query.get("starting_after", -1)) + 1, int(asked.query["limit"])
    found = [{**row, "customer": {"id": "c", "tags": ["a"]}} for row in ROWS[begin : begin + size]]
    return {"object": "list", "data": found, "has_more": begin + size < len(ROWS)}


def paging_next(_web: Web, asked: Asked) -> Any:
    """As HubSpot: `paging.next.after`, which the last page has not."""
    begin, size = int(asked.query.get("after", 0)), int(asked.query["limit"])
    found: dict[str, Any] = {"results": ROWS[begin : begin + size]}
    if begin + size < len(ROWS):
        found["paging"] = {"next": {"after": str(begin + size)}}
    return found


def start_at(_web: Web, asked: Asked) -> Any:
    """As Jira: from a row on, with the total."""
    begin, size = int(asked.query["startAt"]), int(asked.query["maxResults"])
    return {"startAt": begin, "total": len(ROWS), "issues": ROWS[begin : begin + size]}


def json_api(web: Web, asked: Asked) -> Any:
    """As JSON:API: `links.next`, and each row's columns in `attributes`."""
    page = int(asked.query.get("page[number]", 1))
    found = [{"type": "row", "id": str(r["id"]), "attributes": {"name": r["name"]}} for r in ROWS]
    more = f"{web.url}/rows?page%5Bnumber%5D={page + 1}" if page * 10 < len(ROWS) else None
    answer = {"data": found[(page - 1) * 10 : page * 10], "links": {"next": more}}
    headers = {"Content-Type": "application/vnd.api+json"}
    return Answer(answer, headers=headers)


def odata(web: Web, asked: Asked) -> Any:
    """As OData: `@odata.nextLink`."""
    begin = int(asked.query.get("$skip", 0))
    found: dict[str, Any] = {"value": ROWS[begin : begin + 10]}
    if begin + 10 < len(ROWS):
        found["@odata.nextLink"] = f"{web.url}/rows?$skip={begin + 10}"
    return found


def arrays(_web: Web, _asked: Asked) -> Any:
    """As Open-Meteo: a column is an array."""
    names = ("id", "name")
    return {"elevation": 38.0, "hourly": {name: [row[name] for row in ROWS] for name in names}}


def searched(_web: Web, asked: Asked) -> Any:
    """As search engines: asked by POST, with the cursor in the body."""
    wanted = json.loads(asked.body)
    assert wanted["query"] == {"status": "open"}
    begin = int(wanted.get("cursor") or 0)
    more = str(begin + 10) if begin + 10 < len(ROWS) else None
    return {"hits": ROWS[begin : begin + 10], "next_cursor": more}


def numbered(_web: Web, asked: Asked) -> Any:
    """By page, until one is empty."""
    page = int(asked.query["page"])
    return {"data": {"items": ROWS[(page - 1) * 10 : page * 10]}}


def lines(_web: Web, _asked: Asked) -> Any:
    """A JSON object in each line."""
    text = "".join(f"{json.dumps(row)}\n" for row in ROWS)
    return Answer(text.encode(), headers={"Content-Type": "application/x-ndjson"})


def csv(_web: Web, _asked: Asked) -> Any:
    """CSV."""
    text = "id,name\r\n" + "".join(f'{row["id"]},"{row["name"]}"\r\n' for row in ROWS)
    return Answer(text.encode(), headers={"Content-Type": "text/csv; charset=utf-8"})


STYLES = {
    "link header": Style(
        linked, {"path": "rows", "params": {"per_page": 10}, "paginator": "header_link"}
    ),
    "after the last id": Style(
        after_last,
        {
            "path": "rows",
            "params": {"limit": 10},
            "data_selector": "data",
            "paginator": {
                "type": "cursor",
                "cursor_path": "data[-1].id",
                "cursor_param": "starting_after",
                "has_more_path": "has_more",
            },
        },
    ),
    "paging.next": Style(
        paging_next,
        {
            "path": "rows",
            "params": {"limit": 10},
            "data_selector": "results",
            "paginator": {
                "type": "cursor",
                "cursor_path": "paging.next.after",
                "cursor_param": "after",
            },
        },
    ),
    "startAt": Style(
        start_at,
        {
            "path": "rows",
            "data_selector": "issues",
            "paginator": {
                "type": "offset",
                "limit": 10,
                "offset_param": "startAt",
                "limit_param": "maxResults",
                "total_path": "total",
            },
        },
    ),
    "JSON:API": Style(
        json_api,
        {
            "path": "rows",
            "data_selector": "data",
            "paginator": {"type": "json_link", "next_url_path": "links.next"},
        },
        ({"map": lambda row: {"id": row["id"], **row["attributes"]}},),
    ),
    "OData": Style(
        odata,
        {
            "path": "rows",
            "data_selector": "value",
            "paginator": {"type": "json_link", "next_url_path": "['@odata.nextLink']"},
        },
    ),
    "arrays": Style(
        arrays,
        {"path": "rows", "data_selector": "hourly", "paginator": "single_page"},
        ({"yield_map": in_rows},),
    ),
    "POST": Style(
        searched,
        {
            "path": "search",
            "method": "POST",
            "json": {"query": {"status": "open"}},
            "data_selector": "hits",
            "paginator": {
                "type": "cursor",
                "cursor_path": "next_cursor",
                "cursor_body_path": "cursor",
            },
        },
    ),
    "page number": Style(
        numbered,
        {
            "path": "rows",
            "data_selector": "data.items",
            "paginator": {"type": "page_number", "base_page": 1, "total_path": None},
        },
    ),
    "JSON lines": Style(lines, {"path": "rows", "paginator": "single_page"}),
    "CSV": Style(csv, {"path": "rows", "paginator": "single_page"}),
}
