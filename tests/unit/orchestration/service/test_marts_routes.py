"""Marts go out by pages, by cursor and with a tag, from the published copy only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from orchestration.service.service import Service

PLACE = "/api/v1/users"


def ids(answer: httpx.Response) -> list[int]:
    return [row["user_id"] for row in answer.json()["items"]]


def walk(client: httpx.Client, **parameters: Any) -> list[int]:
    """Follow next_cursor to the end."""
    found: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = client.get(PLACE, params={"cursor": cursor, **parameters})
        assert answer.status_code == 200, answer.text
        found += ids(answer)
        cursor = answer.json()["next_cursor"]
    return found


def test_a_page_tells_the_total_and_its_neighbours(client: httpx.Client) -> None:
    body = client.get(PLACE, params={"page": 2, "page_size": 10}).json()
    assert [row["user_id"] for row in body["items"]] == list(range(11, 21))
    assert {name: body[name] for name in ("page", "total", "has_next", "has_prev")} == {
        "page": 2,
        "total": 25,
        "has_next": True,
        "has_prev": True,
    }
    last = client.get(PLACE, params={"page": 3, "page_size": 10}).json()
    assert (len(last["items"]), last["has_next"], last["next_cursor"]) == (5, False, None)


def test_a_row_has_the_declared_columns_and_exact_values(client: httpx.Client) -> None:
    text = client.get(PLACE, params={"page_size": 1}).text
    assert '"spent":1.25' in text
    assert client.get(PLACE, params={"page_size": 1}).json()["items"] == [
        {
            "user_id": 1,
            "email": "user1@example.com",
            "country_code": "FR",
            "is_marketing_opt_in": False,
            "spent": 1.25,
            "created_at": "2026-01-01T01:00:00Z",
        }
    ]


FILTERS: list[tuple[dict[str, str], list[int]]] = [
    ({"user_id": "3"}, [3]),
    ({"country_code": "DE", "user_id.lte": "10"}, [3, 6, 9]),
    ({"country_code.null": "true", "user_id.lt": "10"}, [4, 8]),
    ({"country_code.ne": "DE", "user_id.lte": "5"}, [1, 2, 4, 5]),
    ({"user_id.in": "2,4,99"}, [2, 4]),
    ({"email.starts": "user2", "user_id.gt": "20", "is_marketing_opt_in": "true"}, [22, 24]),
    ({"spent.gte": "30"}, [24, 25]),
    ({"created_at.gt": "2026-01-01T07:00:00+02:00", "user_id.lt": "14"}, [6, 13]),
]


def test_filters(client: httpx.Client) -> None:
    for parameters, expected in FILTERS:
        assert ids(client.get(PLACE, params=parameters)) == expected, parameters


SORTS = [
    "",
    "-user_id",
    "country_code",
    "-country_code,spent",
    "created_at,-country_code",
    "-created_at",
    "is_marketing_opt_in",
]


def test_a_cursor_walks_in_the_order_of_the_pages(client: httpx.Client) -> None:
    for sort in SORTS:
        whole = ids(client.get(PLACE, params={"sort": sort, "page_size": 1000}))
        assert sorted(whole) == list(range(1, 26))
        assert walk(client, sort=sort, page_size=4) == whole


def test_nulls_come_last_either_way(client: httpx.Client) -> None:
    for sort in ("country_code", "-country_code"):
        rows = client.get(PLACE, params={"sort": sort}).json()["items"]
        codes = [row["country_code"] for row in rows]
        assert codes[-6:] == [None] * 6
        assert None not in codes[:-6]


def test_a_cursor_is_stable_while_new_data_is_published(
    client: httpx.Client, home: Path, publisher: Callable[..., Path]
) -> None:
    first = client.get(PLACE, params={"cursor": "", "page_size": 10}).json()
    publisher(home, users=40)
    cursor = first["next_cursor"]
    second = client.get(PLACE, params={"cursor": cursor, "page_size": 100}).json()
    assert [row["user_id"] for row in second["items"]] == list(range(11, 41))


def test_an_etag_saves_the_answer_until_something_new_is_published(
    client: httpx.Client, home: Path, publisher: Callable[..., Path]
) -> None:
    first = client.get(PLACE)
    etag = {"If-None-Match": first.headers["etag"]}
    again = client.get(PLACE, headers=etag)
    assert (again.status_code, again.content, again.headers["etag"]) == (
        304,
        b"",
        first.headers["etag"],
    )
    publisher(home, first="new@example.com")
    fresh = client.get(PLACE, headers=etag)
    assert fresh.status_code == 200
    assert fresh.json()["items"][0]["email"] == "new@example.com"


REFUSED: list[dict[str, str]] = [
    {"page": "0"},
    {"page": "x"},
    {"page_size": "1001"},
    {"page": "1", "cursor": ""},
    {"cursor": "nonsense"},
    {"cursor": "e30"},
    {"sort": "_load_id"},
    {"_load_id": "load"},
    {"email.like": "x"},
    {"user_id": "1 or 1=1"},
    {"user_id": str(2**63)},
    {"email": "\x00"},
    {"spent": "nan"},
    {"created_at": "yesterday"},
    {'email"': "x"},
    {"sort": 'user_id"; drop'},
    {"user_id.in": ",".join(["1"] * 101)},
    {"is_marketing_opt_in": "maybe"},
]


def test_what_cannot_be_asked_is_refused(client: httpx.Client) -> None:
    for parameters in REFUSED:
        answer = client.get(PLACE, params=parameters)
        assert answer.status_code == 422, parameters
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_cursor_of_another_sort_is_refused(client: httpx.Client) -> None:
    cursor = client.get(PLACE, params={"cursor": "", "page_size": 2}).json()["next_cursor"]
    answer = client.get(PLACE, params={"cursor": cursor, "sort": "email"})
    assert answer.status_code == 422


def test_before_anything_is_published_it_says_so(client: httpx.Client, home: Path) -> None:
    (home / "published.duckdb").unlink()
    answer = client.get(PLACE)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "Nothing has been published yet" in answer.json()["detail"]


def test_only_models_with_the_meta_are_served(client: httpx.Client, service: Service) -> None:
    assert list(service.marts) == ["users"]
    assert client.get("/api/v1/dim_products").status_code == 404


def test_a_table_that_is_not_as_its_yml_says_is_told(client: httpx.Client, home: Path) -> None:
    with duckdb.connect(str(home / "published.tmp")) as connection:
        connection.execute("create schema marts; create table marts.dim_users (user_id bigint)")
    (home / "published.tmp").replace(home / "published.duckdb")
    for path in (PLACE, f"{PLACE}/export"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert "email" in answer.json()["detail"]


def test_a_file_that_cannot_be_opened_is_not_taken_for_the_one_before(
    client: httpx.Client, home: Path, publisher: Callable[..., Path]
) -> None:
    old = client.get(PLACE)
    place = home / "published.duckdb"
    (home / "broken").write_bytes(b"no database")
    (home / "broken").replace(place)
    answers = [client.get(PLACE, params={"page_size": 1}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [503, 503]
    publisher(home, 3)
    new = client.get(PLACE)
    assert (ids(new), new.headers["etag"] != old.headers["etag"]) == ([1, 2, 3], True)


def test_a_cursor_stands_behind_any_value(client: httpx.Client, home: Path) -> None:
    with duckdb.connect(str(home / "published.duckdb")) as connection:
        connection.execute("update marts.dim_users set email = repeat('x', 3000) || user_id")
    assert sorted(walk(client, sort="email", page_size="7")) == list(range(1, 26))
