"""Pages of users are exact at every size, by cursor and by number, and refuse on schedule."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from demo.api.app import create_app
from demo.api.faults import Faults, write_faults
from demo.tokens import API_TOKEN
from tests.unit.demo.outside import Client

if TYPE_CHECKING:
    from pathlib import Path

NO_FAULTS = Faults(api_throttle_every=0, crm_throttle_every=0, crm_unavailable_every=0)


@pytest.fixture
def client(third_day: Path, tmp_path: Path) -> Client:
    shutil.copy(third_day / "api.sqlite", tmp_path)
    write_faults(tmp_path, NO_FAULTS)
    return Client(create_app(tmp_path), API_TOKEN)


@pytest.fixture
def keys(third_day: Path) -> list[str]:
    with closing(sqlite3.connect(third_day / "api.sqlite")) as store:
        rows = store.execute("select body from listing order by updated_us, place").fetchall()
    return [body for (body,) in rows]


def by_cursor(client: Client, limit: int, **asked: Any) -> list[list[dict[str, Any]]]:
    pages, cursor = [], None
    while True:
        given = asked | ({"cursor": cursor} if cursor else {})
        answer = client.get("/users", params={"limit": limit, **given}).json()
        pages.append(answer["items"])
        cursor = answer["next_cursor"]
        if cursor is None:
            return pages


def by_number(client: Client, size: int) -> list[list[dict[str, Any]]]:
    pages, has_next = [], True
    while has_next:
        asked = {"page": len(pages) + 1, "page_size": size}
        answer = client.get("/users/pages", params=asked).json()
        assert (answer["page"], answer["page_size"], answer["total"]) == (*asked.values(), 218)
        pages.append(answer["items"])
        has_next = answer["has_next"]
    return pages


@pytest.mark.parametrize("limit", [3, 7, 43, 218, 1000])
def test_pages_hold_every_row_once_and_in_order(
    client: Client, keys: list[str], limit: int
) -> None:
    import json

    rows = [json.loads(body) for body in keys]
    pages = by_cursor(client, limit)
    assert [row for page in pages for row in page] == rows
    assert {len(page) for page in pages[:-1]} <= {limit}
    assert len(pages) == -(-len(rows) // limit)
    assert by_number(client, limit) == pages
    assert [row["updated_at"] for row in rows] == sorted(row["updated_at"] for row in rows)


@pytest.mark.parametrize(
    "since",
    [
        "2026-01-03T00:00:00Z",
        "2026-01-03T01:00:00+01:00",
        "2026-01-02T23:30:00.000001Z",
        "2026-01-03 00:00:00",
    ],
)
def test_updated_since_gives_the_last_day(client: Client, since: str) -> None:
    (page,) = by_cursor(client, 100, updated_since=since)
    assert len(page) == 11
    assert all("loyalty_tier" in row for row in page)


def test_updated_since_takes_the_boundary_with_its_ties(client: Client) -> None:
    (page,) = by_cursor(client, 100, updated_since="2026-01-03T23:30:00Z")
    assert len(page) == 3


def test_a_new_column_comes_on_day_three(client: Client) -> None:
    rows = [row for page in by_cursor(client, 100) for row in page]
    with_it = [row["updated_at"] for row in rows if "loyalty_tier" in row]
    assert len(with_it) == 11
    assert min(with_it) > "2026-01-03"


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"cursor": "nonsense"}, 422),
        ({"updated_since": "yesterday"}, 422),
        ({"limit": 0}, 422),
        ({"limit": 1001}, 422),
    ],
)
def test_nonsense_is_refused(client: Client, asked: dict[str, Any], status: int) -> None:
    assert client.get("/users", params=asked).status_code == status


def test_a_wrong_token_is_refused(client: Client) -> None:
    for headers in ({"Authorization": "Bearer wrong"}, {"Authorization": ""}):
        assert client.get("/users", headers=headers).status_code == 401


def test_every_nth_request_is_throttled(client: Client, tmp_path: Path) -> None:
    write_faults(tmp_path, Faults(api_throttle_every=3, retry_after_seconds=0))
    answers = [client.get("/users/pages" if turn % 2 else "/users") for turn in range(6)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 200, 200, 429]
    assert answers[2].headers["Retry-After"] == "0"
