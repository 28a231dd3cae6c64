"""How well-known APIs give their lists: a server of each kind, and the recipe of docs/apis.md."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loaders.columns import columns, latest_first
from loaders.readers.api import in_rows
from tests.acceptance.pages import blocks
from tests.integration.loaders.web import Answer

if TYPE_CHECKING:
    from tests.integration.loaders.web import Asked, Web

ROWS = [{"id": number, "name": f"row {number}"} for number in range(250)]


@cache
def recipes(kind: str) -> dict[str, str]:
    """Return the blocks of the page that are called `recipe=…`, or `auth=…`, by their names."""
    page = Path(__file__).parents[3] / "docs" / "apis.md"
    return {b.options[kind]: b.text for b in blocks(page) if kind in b.options}


def recipe(name: str, kind: str = "recipe", **values: str) -> dict[str, Any]:
    """Return what a block says, as part of a resource or a client."""
    known = {"in_rows": in_rows, "columns": columns, "latest_first": latest_first, **values}
    found: dict[str, Any] = eval(f"{{{recipes(kind)[name]}}}", known)  # noqa: S307 - our own page
    return found


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
    more = f"{web.url}/rows?page%5Bnumber%5D={page + 1}" if page * 100 < len(ROWS) else None
    answer = {"data": found[(page - 1) * 100 : page * 100], "links": {"next": more}}
    headers = {"Content-Type": "application/vnd.api+json"}
    return Answer(answer, headers=headers)


def odata(web: Web, asked: Asked) -> Any:
    """As OData: `@odata.nextLink`."""
    begin = int(asked.query.get("$skip", 0))
    found: dict[str, Any] = {"value": ROWS[begin : begin + 100]}
    if begin + 100 < len(ROWS):
        found["@odata.nextLink"] = f"{web.url}/rows?$skip={begin + 100}"
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
    more = str(begin + 100) if begin + 100 < len(ROWS) else None
    return {"hits": ROWS[begin : begin + 100], "next_cursor": more}


def graphql(_web: Web, asked: Asked) -> Any:
    """As GraphQL: one address, the cursor among the variables, the last page's cursor as well."""
    wanted = json.loads(asked.body)
    assert "nodes { id name }" in wanted["query"]
    begin = int(wanted["variables"]["after"] or 0)
    more = begin + 100 < len(ROWS)
    page = {"endCursor": str(begin + 100), "hasNextPage": more}
    return {"data": {"orders": {"nodes": ROWS[begin : begin + 100], "pageInfo": page}}}


def numbered(_web: Web, asked: Asked) -> Any:
    """By page, until one is empty."""
    page, size = int(asked.query["page"]), int(asked.query["per_page"])
    return {"data": {"items": ROWS[(page - 1) * size : page * size]}}


def lines(_web: Web, _asked: Asked) -> Any:
    """A JSON object in each line."""
    text = "".join(f"{json.dumps(row)}\n" for row in ROWS)
    return Answer(text.encode(), headers={"Content-Type": "application/x-ndjson"})


def csv(_web: Web, _asked: Asked) -> Any:
    """CSV."""
    text = "id,name\r\n" + "".join(f'{row["id"]},"{row["name"]}"\r\n' for row in ROWS)
    return Answer(text.encode(), headers={"Content-Type": "text/csv; charset=utf-8"})


def whole(_web: Web, _asked: Asked) -> Any:
    """The list itself."""
    return ROWS


STYLES = [
    ("link header", linked),
    ("last id", after_last),
    ("cursor", paging_next),
    ("offset", start_at),
    ("JSON:API", json_api),
    ("OData", odata),
    ("arrays", arrays),
    ("POST", searched),
    ("GraphQL", graphql),
    ("page number", numbered),
    ("all at once", lines),
    ("all at once", csv),
    ("all at once", whole),
]
