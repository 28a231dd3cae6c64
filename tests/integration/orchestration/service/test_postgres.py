"""On PostgreSQL the store and the marts are served as on SQLite and DuckDB."""

from __future__ import annotations

import csv
import io
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg2
import pyarrow as pa
import pyarrow.parquet
import pytest
import sqlalchemy as sa

from loaders.intake.store import ITEMS
from loaders.warehouse import Target
from orchestration.clock import Clock
from orchestration.service.configuration import Binding, Limits
from orchestration.service.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    from orchestration.settings import Settings

ROWS = 3000
USERS = f"""
create schema published;
create table published.dim_users as select i as user_id, 'user' || i || '@example.com' as email,
    case when i % 4 > 0 then (array['DE', 'FR', 'GB'])[1 + i % 3] end as country_code,
    i % 2 = 0 as is_marketing_opt_in, (i * 1.25)::numeric(18, 2) as spent,
    timestamp '2026-01-01' + i * interval '1 minute' as created_at, 'load' as _load_id
from generate_series(1, {ROWS}) as numbers(i)
"""


@pytest.fixture
def service(
    home: Path, settings: Settings, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    with psycopg2.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute(USERS)
    connection.close()
    monkeypatch.setenv("SOURCES__INTAKE__URL", postgres)
    warehouse = Target(name="postgres", kind="postgres", dsn=postgres)
    found = replace(settings, target=warehouse, ledger_url=postgres)
    opened = Service.open(found, Limits(), Binding(), Clock())
    yield opened
    opened.close()


@pytest.fixture
def client(service: Service, client_of: Callable[..., httpx.Client]) -> httpx.Client:
    return client_of(service)


def items(*keys: int) -> list[dict[str, Any]]:
    return [{"id": k, "method": "create", "data": {"email": f"u{k}@example.com"}} for k in keys]


def test_batches_are_kept_and_applied_once(client: httpx.Client, service: Service) -> None:
    headers = {"Idempotency-Key": "k"}
    first = client.post("/api/v1/users/batch", json={"items": items(1, 2, 2)}, headers=headers)
    again = client.post("/api/v1/users/batch", json={"items": items(1, 2, 2)}, headers=headers)
    assert first.json() == again.json()
    assert (first.json()["successful"], first.json()["failed"]) == (2, 1)
    body = b"".join(json.dumps(item).encode() + b"\n" for item in items(*range(3, 1503)))
    job = client.post(
        "/api/v1/batch/async",
        params={"resource": "users"},
        content=body,
        headers={"Content-Type": "application/x-ndjson"},
    ).json()
    while service.worker.step(job["job_id"]):
        pass
    assert client.get(job["status_url"]).json()["successful"] == 1500
    with service.store.reading() as connection:
        keys = connection.execute(sa.select(ITEMS.c.item_id).order_by(ITEMS.c.sequence)).scalars()
        assert list(keys) == list(range(1, 1503))


def test_pages_filters_and_tags(client: httpx.Client) -> None:
    page = client.get(
        "/api/v1/users", params={"country_code": "DE", "sort": "-user_id", "page_size": 2}
    )
    body = page.json()
    assert [row["user_id"] for row in body["items"]] == [2997, 2994]
    assert (body["total"], body["has_next"]) == (750, True)
    assert '"spent":3746.25' in page.text
    assert body["items"][0]["created_at"] == "2026-01-03T01:57:00Z"
    cursor = client.get(
        "/api/v1/users",
        params={"country_code": "DE", "sort": "-user_id", "cursor": body["next_cursor"]},
    ).json()
    assert cursor["items"][0]["user_id"] == 2991
    known = {"If-None-Match": page.headers["etag"]}
    assert client.get(str(page.url), headers=known).status_code == 304


def test_exports_give_every_row(client: httpx.Client) -> None:
    found: dict[str, list[int]] = {}
    for form in ("csv", "ndjson", "parquet", "arrow"):
        answer = client.get("/api/v1/users/export", params={"format": form, "spent.gt": "0"})
        assert answer.status_code == 200, answer.text
        found[form] = sorted(ids(form, answer.content))
    assert found == {form: list(range(1, ROWS + 1)) for form in found}
    first = client.get("/api/v1/users/export", params={"user_id": "1"}).text.splitlines()[1]
    assert first == "1,user1@example.com,FR,false,1.25,2026-01-01T00:01:00.000000Z"


def ids(form: str, body: bytes) -> list[int]:
    if form == "csv":
        return [int(row["user_id"]) for row in csv.DictReader(io.StringIO(body.decode()))]
    if form == "ndjson":
        return [json.loads(line)["user_id"] for line in body.splitlines()]
    source = io.BytesIO(body)
    table = pa.parquet.read_table(source) if form == "parquet" else pa.ipc.open_stream(source)
    whole = table if form == "parquet" else table.read_all()
    return list(whole["user_id"].to_pylist())


def test_a_reader_who_stands_still_holds_no_table(client: httpx.Client, postgres: str) -> None:
    with psycopg2.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into published.dim_users select user_id + 1000000 * copy, email, "
            "country_code, is_marketing_opt_in, spent, created_at, _load_id "
            "from published.dim_users, generate_series(1, 100) as copies(copy)"
        )
    connection.close()
    url = "/api/v1/users/export"
    with client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as answer:
        pieces = answer.iter_raw(1000)
        size = len(next(pieces))
        wait_for_lock(postgres)
        body_size = size + sum(map(len, pieces))
    assert body_size > 15_000_000
    with psycopg2.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from published_old.dim_users")
        assert cursor.fetchone() == (ROWS * 101,)
    connection.close()


def wait_for_lock(dsn: str) -> None:
    """Swap the schema away as a publish does, within its patience."""
    with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute("set lock_timeout = '20s'")
        cursor.execute("lock table published.dim_users in access exclusive mode")
        cursor.execute("alter schema published rename to published_old")
    connection.close()


def test_a_mart_that_is_not_there_is_told(client: httpx.Client, postgres: str) -> None:
    run_sql(postgres, "alter table published.dim_users rename to gone")
    for place in ("/api/v1/users", "/api/v1/users/export"):
        answer = client.get(place)
        assert (answer.status_code, "A run publishes it" in answer.text) == (503, True)
    deadline = time.monotonic() + 20.0  # a backend outlives its connection by a moment
    while (there := connections(postgres)) > 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert there <= 2  # the ledger's and the store's: none was left open


def test_a_server_that_does_not_answer_is_told(
    client: httpx.Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Target(name="postgres", kind="postgres", dsn="postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setattr(service.published, "target", away)
    answer = client.get("/api/v1/users")
    assert (answer.status_code, "Cannot connect to the warehouse" in answer.text) == (503, True)


def run_sql(dsn: str, sql: str) -> Any:
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(sql)
        found = cursor.fetchall() if cursor.description else None
    connection.close()
    return found


def connections(dsn: str) -> int:
    sql = (
        "select count(*) from pg_stat_activity where datname = current_database() "
        "and backend_type = 'client backend' and pid <> pg_backend_pid()"  # not the autovacuum's
    )
    return int(run_sql(dsn, sql)[0][0])
