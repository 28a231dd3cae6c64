"""Large batches: on the disk before the answer, applied once, whatever happens to the server."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
import sqlalchemy as sa

from loaders.intake.store import ITEMS
from orchestration.service import items, large_routes, spool
from orchestration.service.splitting import Lines
from orchestration.service.tokens import Caller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from orchestration.service.service import Service

PLACE = "/api/v1/batch/async"
NDJSON = {"Content-Type": "application/x-ndjson"}


def line(key: int) -> bytes:
    item = {"id": key, "method": "create", "data": {"email": f"u{key}@example.com"}}
    return json.dumps(item).encode() + b"\n"


def lines(count: int) -> Iterator[bytes]:
    return (line(key) for key in range(1, count + 1))


def push(client: httpx.Client, count: int, **parameters: Any) -> Any:
    answer = client.post(
        PLACE, params={"resource": "users"}, content=lines(count), headers={**NDJSON, **parameters}
    )
    assert answer.status_code == 202, answer.text
    return answer.json()


def stored(service: Service) -> tuple[int, int]:
    columns = (sa.func.count(), sa.func.count(sa.distinct(ITEMS.c.item_id)))
    with service.store.reading() as connection:
        row = connection.execute(sa.select(*columns).select_from(ITEMS)).one()
        return row[0], row[1]


def work(service: Service, job_id: str) -> None:
    while service.worker.step(job_id):
        pass


def test_from_accepted_to_completed(client: httpx.Client, service: Service) -> None:
    job = push(client, 2500)
    status = client.get(job["status_url"]).json()
    assert (status["status"], status["total"], status["progress"]) == ("pending", 2500, 0.0)
    service.worker.step(job["job_id"])
    status = client.get(job["status_url"]).json()
    assert (status["status"], status["done"], status["progress"]) == ("running", 1000, 0.4)
    work(service, job["job_id"])
    status = client.get(job["status_url"]).json()
    assert (status["status"], status["successful"], status["failed"]) == ("completed", 2500, 0)
    assert status["completed_at"] is not None
    assert stored(service) == (2500, 2500)


def test_results_come_in_pages_in_the_order_of_the_items(
    client: httpx.Client, service: Service
) -> None:
    body = line(1) + b"not json\n" + b"".join(line(key) for key in range(2, 2000)) + line(5)
    job = client.post(PLACE, params={"resource": "users"}, content=body, headers=NDJSON).json()
    work(service, job["job_id"])
    first = client.get(job["results_url"], params={"page_size": 2}).json()
    assert (first["total"], first["has_next"], first["has_prev"]) == (2001, True, False)
    assert [result["success"] for result in first["items"]] == [True, False]
    assert "no JSON" in first["items"][1]["error"]
    page = client.get(job["results_url"], params={"page": 3, "page_size": 600}).json()
    assert [result["id"] for result in page["items"]] == list(range(1200, 1800))
    last = client.get(job["results_url"], params={"page": 4, "page_size": 600}).json()
    assert (len(last["items"]), last["items"][-1]["error"], last["has_next"]) == (
        201,
        "id 5 exists already. Send it as an update.",
        False,
    )


def test_a_server_that_dies_half_way_loses_and_doubles_nothing(
    client: httpx.Client,
    service: Service,
    opened: Callable[..., Service],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = push(client, 3000)
    service.worker.step(job["job_id"])
    whole = spool.append_results

    def dies(*arguments: Any) -> int:
        whole(*arguments)
        raise OSError("power is gone")

    monkeypatch.setattr(spool, "append_results", dies)
    with pytest.raises(OSError, match="power"):
        service.worker.step(job["job_id"])
    monkeypatch.undo()
    monkeypatch.setenv("SOURCES__INTAKE__URL", f"sqlite:///{service.settings.var}/intake.sqlite")
    later = opened()
    work(later, job["job_id"])
    assert stored(later) == (3000, 3000)
    results = [
        client.get(job["results_url"], params={"page": n, "page_size": 1000}).json()
        for n in (1, 2, 3)
    ]
    assert [r["id"] for page in results for r in page["items"]] == list(range(1, 3001))


def test_cancel_stops_after_the_chunk_at_hand(client: httpx.Client, service: Service) -> None:
    job = push(client, 3000)
    service.worker.step(job["job_id"])
    assert client.post(f"/api/v1/batch/{job['job_id']}/cancel").status_code == 202
    work(service, job["job_id"])
    status = client.get(job["status_url"]).json()
    assert (status["status"], status["done"]) == ("cancelled", 1000)
    assert client.post(f"/api/v1/batch/{job['job_id']}/cancel").status_code == 409
    assert stored(service) == (1000, 1000)


def test_a_json_document_may_name_its_resource(client: httpx.Client, service: Service) -> None:
    items = [{"id": key, "method": "create", "data": {"email": "a@b.c"}} for key in (1, 2)]
    job = client.post(PLACE, json={"items": items, "resource": "users"}).json()
    work(service, job["job_id"])
    assert stored(service) == (2, 2)


def test_the_same_key_is_taken_once(client: httpx.Client, service: Service) -> None:
    first = push(client, 5, **{"Idempotency-Key": "k"})
    assert push(client, 5, **{"Idempotency-Key": "k"}) == first
    other = client.post(
        PLACE,
        params={"resource": "users"},
        content=lines(6),
        headers={**NDJSON, "Idempotency-Key": "k"},
    )
    assert other.status_code == 422
    assert [path.stem for path in service.worker.folder.glob("*.items")] == [first["job_id"]]


def test_results_are_forgotten_after_their_time(client: httpx.Client, service: Service) -> None:
    job = push(client, 5)
    work(service, job["job_id"])
    service.worker._tidy(service.clock.now() + timedelta(hours=23))
    assert client.get(job["results_url"]).status_code == 200
    service.worker._tidied = None
    service.worker._tidy(service.clock.now() + timedelta(hours=25))
    assert client.get(job["results_url"]).status_code == 404
    assert list(service.worker.folder.glob("b*")) == []


def test_replaced_items_go_after_their_time_and_the_newest_stay(
    client: httpx.Client, service: Service
) -> None:
    def send(key: int, method: str, **data: str) -> None:
        item = {"id": key, "method": method, "data": data}
        answer = client.post("/api/v1/users/batch", json={"items": [item]}).json()
        assert answer["successful"] == 1, answer

    for key in (1, 2, 3):
        send(key, "create", email=f"u{key}@example.com")
    send(1, "update", phone="1")
    send(1, "update", phone="2")
    send(2, "delete")
    assert stored(service) == (6, 3)
    service.worker._tidy(service.clock.now() + timedelta(days=29))
    assert stored(service) == (6, 3)
    service.worker._tidy(service.clock.now() + timedelta(days=31))
    assert stored(service) == (3, 3)
    with service.store.reading() as connection:
        left = connection.execute(sa.select(ITEMS.c.item_id, ITEMS.c.method, ITEMS.c.sequence))
        assert sorted(map(tuple, left)) == [(1, "update", 5), (2, "delete", 6), (3, "create", 3)]
    send(2, "create", email="again@example.com")
    send(1, "update", phone="3")
    assert stored(service) == (5, 3)


@pytest.mark.parametrize(
    ("parameters", "headers", "body", "status"),
    [
        ({}, NDJSON, line(1), 422),
        ({"resource": "robots"}, NDJSON, line(1), 422),
        ({"resource": "users"}, NDJSON, b"\n", 422),
        ({"resource": "users"}, {"Content-Type": "text/csv"}, b"1", 415),
        ({"resource": "users"}, {"Content-Type": "application/json"}, b"{", 422),
        ({"resource": "users"}, NDJSON, b"a" * 70_000, 413),
    ],
)
def test_what_cannot_be_taken_is_refused_and_leaves_nothing(
    client: httpx.Client, service: Service, parameters: Any, headers: Any, body: bytes, status: int
) -> None:
    answer = client.post(PLACE, params=parameters, headers=headers, content=body)
    assert answer.status_code == status, answer.text
    assert list(service.worker.folder.glob("b*")) == []


def test_only_so_many_wait(opened: Callable[..., Service], client_of: Any) -> None:
    client = client_of(opened(large_batches=1))
    push(client, 1)
    answer = client.post(PLACE, params={"resource": "users"}, content=line(2), headers=NDJSON)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")


def test_another_caller_sees_nothing_of_it(client: httpx.Client, service: Service) -> None:
    from orchestration.service import tokens

    job = push(client, 1)
    _, token = tokens.make(service.store, "other", ["write"], now=service.clock.now())
    answer = client.get(job["status_url"], headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 404


def test_an_item_that_cannot_be_told_back_spoils_no_other(
    client: httpx.Client, service: Service
) -> None:
    deep = b'{"id": ' + b"[" * 500 + b"]" * 500 + b', "method": "create"}\n'
    body = deep + line(1)
    job = client.post(PLACE, params={"resource": "users"}, content=body, headers=NDJSON).json()
    work(service, job["job_id"])
    found = client.get(job["results_url"]).json()["items"]
    assert [(item["id"], item["success"]) for item in found] == [(None, False), (1, True)]


def test_a_batch_that_cannot_be_applied_fails_and_lets_the_next_one_pass(
    client: httpx.Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = push(client, 3)
    with monkeypatch.context() as patch:
        patch.setattr(items, "apply", Mock(side_effect=ValueError("nobody foresaw it")))
        work(service, job["job_id"])
    status = client.get(job["status_url"]).json()
    assert (status["status"], status["done"]) == ("failed", 0)
    assert "nobody foresaw it" in status["error"]
    following = push(client, 3)
    work(service, following["job_id"])
    assert client.get(following["status_url"]).json()["status"] == "completed"


def test_results_that_another_server_has_are_not_here(
    client: httpx.Client, service: Service
) -> None:
    job = push(client, 3)
    work(service, job["job_id"])
    spool.remove(service.worker.folder, job["job_id"])
    answer = client.get(job["results_url"])
    assert (answer.status_code, "are not here" in answer.text) == (404, True)


def test_an_accepted_batch_keeps_its_file_though_the_caller_is_gone(service: Service) -> None:
    taken = spool.Spool(service.worker.folder, "b1234567890", Lines(1000))
    taken.write(line(1))
    taken.finish()
    caller = Caller(id="c", name="c", scopes=frozenset())
    large_routes._accept(service, caller, "b1234567890", taken, "users", None)
    taken.drop()  # what the route does when it is cut off behind the commit
    work(service, "b1234567890")
    assert stored(service) == (1, 1)
