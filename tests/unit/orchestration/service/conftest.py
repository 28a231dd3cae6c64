"""A service over a temporary folder: a store, a ledger, published marts, and callers of it."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import duckdb
import httpx
import pytest
import uvicorn

from orchestration.clock import Clock
from orchestration.service.app import create
from orchestration.service.configuration import Binding, Limits
from orchestration.service.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orchestration.settings import Settings

YML = """
models:
  - name: dim_users
    description: One row per user.
    config:
      meta:
        api: users
    columns:
      - {name: user_id, data_type: bigint, description: The key., data_tests: [unique, not_null]}
      - {name: email, data_type: text, constraints: [{type: not_null}]}
      - {name: country_code, data_type: text}
      - {name: is_marketing_opt_in, data_type: boolean}
      - {name: spent, data_type: "numeric(18, 2)"}
      - {name: created_at, data_type: timestamp}
      - {name: _load_id, data_type: text}
  - name: dim_products
    columns: [{name: product_id, data_type: bigint, data_tests: [unique]}]
"""
USERS = """
select i as user_id, 'user' || i || '@example.com' as email,
    case when i % 4 > 0 then ['DE', 'FR', 'GB'][1 + i % 3] end as country_code, i % 2 = 0 as
    is_marketing_opt_in, (i * 1.25)::decimal(18, 2) as spent,
    case when i % 5 > 0 then timestamp '2026-01-01' + interval (i % 7) hour end as created_at,
    'load' as _load_id
from range(1, ? + 1) as numbers(i)
"""

REJECTS = """
select 'id' || i as reject_id, 'order_items' as table_name,
    'quantity: ''' || i || ' pieces'' is not a bigint' as reason, '{"id": ' || i || '}' as payload,
    'order_items' as origin, i::text as position, timestamp '2026-01-01' + interval (i) minute as
    rejected_at, case when i = 3 then timestamp '2026-01-02' end as dismissed_at
from range(1, 4) as numbers(i)
"""


def publish(folder: Path, users: int = 25, first: str = "") -> Path:
    """Put a published file with so many users in its place, as a run does: by a rename."""
    place, aside = folder / "published.duckdb", folder / "published.tmp"
    aside.unlink(missing_ok=True)
    with duckdb.connect(str(aside)) as connection:
        connection.execute("create schema marts; create schema quarantine")
        connection.execute(f"create table marts.dim_users as {USERS}", [users])
        if first:
            connection.execute("update marts.dim_users set email = ? where user_id = 1", [first])
        connection.execute(
            "create table quarantine.stg_shop_api__users as select i as id, null::text as email, "
            "case when i < 4 then 'email is missing' else 'email is <b>malformed</b>' end as "
            "reasons, 'x' as _load_id from range(1, 6) as numbers(i)"
        )
        connection.execute("create schema raw_shop_db")
        connection.execute(f"create table raw_shop_db._rejects as {REJECTS}")
    aside.replace(place)
    return place


@pytest.fixture
def publisher() -> Callable[..., Path]:
    return publish


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one served model, marts published, and the store's place set."""
    models = tmp_path / "dbt_project" / "models"
    models.mkdir(parents=True)
    (models / "marts.yml").write_text(YML, encoding="utf-8")
    for name in [name for name in os.environ if name.startswith(("TIDEMILL_", "SOURCES__"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SOURCES__INTAKE__URL", f"sqlite:///{tmp_path / 'intake.sqlite'}")
    publish(tmp_path)
    return tmp_path


@pytest.fixture
def opened(home: Path, settings: Settings) -> Iterator[Callable[..., Service]]:
    """Open services; all are closed at the end."""
    services: list[Service] = []

    def make(clock: Clock | None = None, needs_tokens: bool = False, **limits: Any) -> Service:
        binding = Binding(needs_tokens=needs_tokens, hosts=("testserver",))
        service = Service.open(settings, replace(Limits(), **limits), binding, clock or Clock())
        services.append(service)
        return service

    yield make
    for service in services:
        service.close()


@pytest.fixture
def service(opened: Callable[..., Service]) -> Service:
    return opened()


@pytest.fixture
def client_of() -> Iterator[Callable[..., httpx.Client]]:
    """Serve services over real HTTP; no thread works on large batches unless told to."""
    with ExitStack() as stack:

        def make(service: Service, *, works: bool = False, scheduling: Any = None) -> httpx.Client:
            base_url = stack.enter_context(served(service, scheduling, works=works))
            return stack.enter_context(httpx.Client(base_url=base_url, timeout=60))

        yield make


@contextmanager
def served(service: Service, scheduling: Any = None, *, works: bool) -> Iterator[str]:
    """Serve in a thread on a port of its own."""
    listening = socket.create_server(("127.0.0.1", 0))
    lifespan: Any = "on" if works else "off"
    config = uvicorn.Config(
        create(service, scheduling), log_level="critical", lifespan=lifespan, proxy_headers=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


@pytest.fixture
def client(service: Service, client_of: Callable[..., httpx.Client]) -> httpx.Client:
    """A caller on this machine."""
    return client_of(service)
