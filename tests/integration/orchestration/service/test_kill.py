"""Killed under load and started again, the service loses and doubles nothing it accepted."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import sqlalchemy as sa

from loaders.intake.store import ITEMS, engine_for
from loaders.load import load
from loaders.warehouse import Target

if TYPE_CHECKING:
    from tests.integration.orchestration.service.running import Server

CALLERS, BATCHES, ITEMS_IN_BATCH = 4, 40, 100
WHOLE = CALLERS * BATCHES * ITEMS_IN_BATCH


def batch(caller: int, number: int) -> dict[str, Any]:
    first = (caller * BATCHES + number) * ITEMS_IN_BATCH + 1
    keys = range(first, first + ITEMS_IN_BATCH)
    return {
        "items": [
            {"id": key, "method": "create", "data": {"email": f"u{key}@example.com"}}
            for key in keys
        ]
    }


class Callers:
    """Send their batches, again with the same key whenever an answer was lost."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answered: list[dict[str, Any]] = []
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(CALLERS)]

    def work(self, caller: int) -> None:
        with httpx.Client(base_url=self.url, timeout=10) as client:
            for number in range(BATCHES):
                self.answered.append(self.push(client, caller, number))

    def push(self, client: httpx.Client, caller: int, number: int) -> dict[str, Any]:
        headers = {"Idempotency-Key": f"{caller}-{number}"}
        while True:
            try:
                answer = client.post(
                    "/api/v1/users/batch", json=batch(caller, number), headers=headers
                )
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            assert answer.status_code == 200, answer.text
            return dict(answer.json())


def rows_of(server: Server) -> tuple[int, int]:
    engine = engine_for(f"sqlite:///{server.var / 'intake.sqlite'}")
    columns = (sa.func.count(), sa.func.count(sa.distinct(ITEMS.c.item_id)))
    with engine.connect() as connection:
        row = connection.execute(sa.select(*columns).select_from(ITEMS)).one()
    engine.dispose()
    return row[0], row[1]


@pytest.mark.slow
def test_batches_of_four_callers_at_full_rate(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers = Callers(server.url)
    for thread in callers.threads:
        thread.start()
    for answers in (10, 50, 100):
        while len(callers.answered) < answers:
            time.sleep(0.01)
        server.kill()
        server.start()
    for thread in callers.threads:
        thread.join()
    assert len(callers.answered) == CALLERS * BATCHES
    assert {answer["successful"] for answer in callers.answered} == {ITEMS_IN_BATCH}
    assert rows_of(server) == (WHOLE, WHOLE)

    monkeypatch.setenv("TIDEMILL_VAR", str(server.var))
    monkeypatch.setenv("SOURCES__INTAKE__URL", f"sqlite:///{server.var / 'intake.sqlite'}")
    target = Target(name="duckdb", kind="duckdb", path=server.var / "warehouse.duckdb")
    result = load("intake", target=target)
    counted = {(t.table, t.read, t.loaded, t.collapsed, t.rejected) for t in result.tables}
    assert counted == {("users", WHOLE, WHOLE, 0, 0)}
    with target.connect() as warehouse:
        sql = "select count(*), count(distinct id) from raw_intake.users"
        assert warehouse.execute(sql).fetchall() == [(WHOLE, WHOLE)]


def test_a_large_batch(server: Server) -> None:
    count = 40_000
    body = (
        b'{"id": %d, "method": "create", "data": {"email": "u%d@example.com"}}\n' % (key, key)
        for key in range(1, count + 1)
    )
    job = httpx.post(
        f"{server.url}/api/v1/batch/async",
        params={"resource": "users"},
        content=body,
        headers={"Content-Type": "application/x-ndjson"},
        timeout=60,
    ).json()
    for part in (0.1, 0.4):
        while status(server, job)["progress"] < part:
            time.sleep(0.02)
        server.kill()
        server.start()
    while (found := status(server, job))["status"] != "completed":
        time.sleep(0.1)
    assert (found["done"], found["successful"], found["failed"]) == (count, count, 0)
    assert rows_of(server) == (count, count)
    last = httpx.get(
        f"{server.url}{job['results_url']}",
        params={"page": count // 1000, "page_size": 1000},
        timeout=60,
    ).json()
    assert [result["id"] for result in last["items"]] == list(range(count - 999, count + 1))


def status(server: Server, job: dict[str, Any]) -> dict[str, Any]:
    return dict(httpx.get(f"{server.url}{job['status_url']}", timeout=60).json())


def test_it_ends_in_good_order(server: Server) -> None:
    assert server.stop() == 0
