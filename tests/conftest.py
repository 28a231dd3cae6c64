"""What all tests share: a clean environment, a real PostgreSQL, a real Redis, the demo shop."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as examples

from demo.shop import Shop
from tests.postgres_server import postgres_server as started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OURS = ("TIDEMILL_", "SOURCES__", "OUTPUTS__", "PG", "DBT_", "DLT_")
"""Variables that would lead a test to somebody's real warehouse or sources."""
for proxy in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[proxy]  # whatever a test asks is on this machine

examples.register_profile(
    "unhurried",
    examples.get_profile(examples.get_current_profile_name()),  # in CI, the same examples each time
    deadline=None,  # a busy machine is no failure
    suppress_health_check=[HealthCheck.too_slow],
)
examples.load_profile("unhurried")


@pytest.fixture(autouse=True)
def environment(tmp_path: Path) -> Iterator[None]:
    """No variable of the project's but TIDEMILL_VAR; what a test sets ends with it."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]
    os.environ["TIDEMILL_VAR"] = str(tmp_path)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Address of a PostgreSQL from its wheel."""
    with started() as address:
        yield address


@pytest.fixture
def postgres(postgres_server: str) -> Iterator[str]:
    """Address of a fresh database."""
    import psycopg2

    name = f"test_{uuid4().hex[:12]}"
    admin = psycopg2.connect(postgres_server)
    admin.autocommit = True
    admin.cursor().execute(f"create database {name}")
    yield postgres_server.replace("/postgres?", f"/{name}?")
    admin.cursor().execute(f"drop database {name} with (force)")
    admin.close()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Redis from its wheel."""
    from demo.redis_server import start_redis, stop_redis

    process, port = start_redis(tmp_path_factory.mktemp("redis"), 0)
    yield f"redis://127.0.0.1:{port}/0"
    stop_redis(process)


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """Address of an empty Redis."""
    from redis import Redis

    with Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A small demo shop, open, before its first day."""
    with Shop(tmp_path / "shop", scale=0.2) as opened:
        yield opened
