"""The CRM applies a batch once for its key, refuses what it must, and counts what it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from demo.api.app import create_app
from demo.api.faults import Faults, write_faults
from demo.tokens import CRM_TOKEN
from tests.unit.demo.outside import Client

if TYPE_CHECKING:
    from pathlib import Path

NO_FAULTS = Faults(api_throttle_every=0, crm_throttle_every=0, crm_unavailable_every=0)


@pytest.fixture
def client(tmp_path: Path) -> Client:
    write_faults(tmp_path, NO_FAULTS)
    return Client(create_app(tmp_path), CRM_TOKEN)


def upsert(key: str, email: str = "ada@example.com") -> dict[str, Any]:
    return {"id": key, "method": "upsert", "data": {"email": email}}


def push(client: Client, key: str, *items: Any) -> Any:
    headers = {"Idempotency-Key": key}
    return client.post("/crm/contacts/batch", json={"items": items}, headers=headers)


def contacts(client: Client) -> list[dict[str, Any]]:
    return client.get("/crm/contacts").json()["items"]


def test_each_item_has_its_result(client: Client) -> None:
    answer = push(
        client,
        "k1",
        upsert("1"),
        upsert("2", " Bob@Blocked.Example "),
        {"id": "3", "method": "merge", "data": {}},
        {"id": "4", "method": "delete"},
        {"method": "delete"},
        {"id": "6", "method": "upsert", "data": {"email": None}},
    )
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [(row["id"], row["success"], row["status"]) for row in results] == [
        ("1", True, 200),
        ("2", False, 422),
        ("3", False, 422),
        ("4", True, 200),
        (None, False, 422),
        ("6", False, 422),
    ]
    assert results[1]["error"] == "data.email: contacts at blocked.example are not accepted"
    assert [row["id"] for row in contacts(client)] == ["1"]


def test_the_same_key_and_body_are_applied_once(client: Client) -> None:
    first, again = push(client, "k1", upsert("1")), push(client, "k1", upsert("1"))
    assert (again.status_code, again.json()) == (200, first.json())
    assert contacts(client) == [
        {
            "id": "1",
            "data": {"email": "ada@example.com"},
            "count_upserts": 1,
            "count_deletes": 0,
            "count_refusals": 0,
        }
    ]


def test_the_same_key_with_another_body_is_refused(client: Client) -> None:
    push(client, "k1", upsert("1"))
    assert push(client, "k1", upsert("2")).status_code == 422
    assert [row["id"] for row in contacts(client)] == ["1"]


def test_state_outlives_the_server(client: Client, tmp_path: Path) -> None:
    push(client, "k1", upsert("1"), upsert("2"))
    push(client, "k2", {"id": "1", "method": "delete"}, upsert("2", "new@example.com"))
    restarted = Client(create_app(tmp_path), CRM_TOKEN)
    assert push(restarted, "k1", upsert("1"), upsert("2")).status_code == 200
    (left,) = contacts(restarted)
    assert (left["id"], left["data"], left["count_upserts"]) == (
        "2",
        {"email": "new@example.com"},
        2,
    )


def test_contacts_come_in_pages(client: Client) -> None:
    push(client, "k1", *[upsert(str(number)) for number in range(1, 8)])
    pages = [
        client.get("/crm/contacts", params={"page": page, "page_size": 3}).json()
        for page in (1, 2, 3)
    ]
    assert [row["id"] for page in pages for row in page["items"]] == list("1234567")
    assert [(page["total"], page["has_next"]) for page in pages] == [
        (7, True),
        (7, True),
        (7, False),
    ]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"items": 1}', b'{"things": []}'])
def test_a_body_of_another_shape_is_refused(client: Client, body: bytes) -> None:
    headers = {"Idempotency-Key": "k1"}
    assert client.post("/crm/contacts/batch", content=body, headers=headers).status_code == 422


def test_too_many_items_no_key_and_a_wrong_token_are_refused(client: Client) -> None:
    assert push(client, "k1", *[upsert(str(number)) for number in range(101)]).status_code == 422
    assert client.post("/crm/contacts/batch", json={"items": []}).status_code == 400
    wrong = {"Authorization": "Bearer demo-shop-token"}
    assert client.get("/crm/contacts", headers=wrong).status_code == 401
    assert contacts(client) == []


def test_faults_come_on_schedule_and_a_lost_answer_was_applied(
    client: Client, tmp_path: Path
) -> None:
    write_faults(tmp_path, Faults(crm_throttle_every=5, crm_unavailable_every=3))
    answers = [push(client, f"k{number}", upsert(str(number))) for number in range(1, 7)]
    assert [answer.status_code for answer in answers] == [200, 200, 503, 200, 429, 503]
    assert answers[4].headers["Retry-After"] == "1"
    assert [row["id"] for row in contacts(client)] == ["1", "2", "4", "6"]
    assert push(client, "k6", upsert("6")).status_code == 200
    assert [row["count_upserts"] for row in contacts(client)] == [1, 1, 1, 1]
