"""A batch is durable before its answer, and applied once for an Idempotency-Key."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from loaders.intake.store import ITEMS
from orchestration.service import kept_answers

if TYPE_CHECKING:
    import httpx

    from orchestration.service.service import Service

PLACE = "/api/v1/users/batch"


def users(*keys: int, method: str = "create") -> dict[str, Any]:
    return {
        "items": [
            {"id": key, "method": method, "data": {"email": f"u{key}@example.com"}} for key in keys
        ]
    }


def stored(service: Service) -> int:
    with service.store.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(ITEMS)).scalar() or 0


def test_each_item_has_its_result(client: httpx.Client, service: Service) -> None:
    answer = client.post(PLACE, json={"items": [*users(1, 2)["items"], {"id": 3}]})
    body = answer.json()
    assert answer.status_code == 200
    assert (body["successful"], body["failed"]) == (2, 1)
    assert [result["id"] for result in body["results"]] == [1, 2, 3]
    assert [result["success"] for result in body["results"]] == [True, True, False]
    assert body["results"][0]["data"]["email"] == "u1@example.com"
    assert body["batch_id"].startswith("b2")
    assert stored(service) == 2


def test_the_same_key_and_body_are_applied_once(client: httpx.Client, service: Service) -> None:
    headers = {"Idempotency-Key": "k-1"}
    first = client.post(PLACE, json=users(1), headers=headers)
    again = client.post(PLACE, json=users(1), headers=headers)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert stored(service) == 1


def test_a_key_used_for_another_body_is_refused(client: httpx.Client, service: Service) -> None:
    headers = {"Idempotency-Key": "k-1"}
    client.post(PLACE, json=users(1), headers=headers)
    answer = client.post(PLACE, json=users(2), headers=headers)
    assert answer.status_code == 422
    assert "Take a new key" in answer.json()["detail"]
    assert stored(service) == 1


def test_a_key_is_forgotten_after_its_time(client: httpx.Client, service: Service) -> None:
    headers = {"Idempotency-Key": "k-1"}
    client.post(PLACE, json=users(1), headers=headers)
    kept_answers.forget(service.store, now=service.clock.now() + timedelta(hours=25), hours=24)
    again = client.post(PLACE, json=users(1), headers=headers)
    assert again.json()["results"][0]["error"] == "id 1 exists already. Send it as an update."


def test_what_is_no_batch_is_refused(client: httpx.Client, service: Service) -> None:
    bodies = {
        b"": 422,
        b"{": 422,
        b"[]": 422,
        b"{}": 422,
        b'{"items": 1}': 422,
        b'{"items": []}': 422,
        b'{"items": [{}], "more": 1}': 422,
    }
    found = {body: client.post(PLACE, content=body).status_code for body in bodies}
    assert found == bodies
    assert client.post(PLACE, json=users(*range(1, 102))).status_code == 422
    assert client.post("/api/v1/robots/batch", json=users(1)).status_code == 404
    assert stored(service) == 0


def test_soft_deletion_keeps_the_row_as_it_stood(client: httpx.Client, service: Service) -> None:
    client.post(PLACE, json=users(1))
    body = client.post(PLACE, json={"items": [{"id": 1, "method": "delete"}]}).json()
    assert body["results"][0]["data"]["email"] == "u1@example.com"
    with service.store.reading() as connection:
        methods = connection.execute(sa.select(ITEMS.c.method).order_by(ITEMS.c.sequence))
        assert list(methods.scalars()) == ["create", "delete"]
