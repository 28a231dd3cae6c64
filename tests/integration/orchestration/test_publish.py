"""Readers, a hundred a second, never fail and never see a mixture while marts are published."""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg2
import pytest

from loaders.errors import WarehouseBusy
from loaders.publish import publish
from loaders.swap import swap
from loaders.warehouse import Target, published_path
from orchestration import audit
from orchestration.errors import ModelsFailed
from tests.integration.orchestration.readers import reading

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = 20_000
ROUNDS = 6


@pytest.fixture
def duck(tmp_path: Path) -> Target:
    return Target(name="duckdb", kind="duckdb", path=tmp_path / "warehouse.duckdb")


@pytest.fixture
def elephant(postgres: str) -> Target:
    return Target(name="postgres", kind="postgres", dsn=postgres)


def fill(target: Target, version: int) -> None:
    """Build two marts that tell the version they are of."""
    with target.connect() as connection:
        connection.execute("create schema if not exists marts")
        for table in ("orders", "customers"):
            connection.execute(f"drop table if exists marts.{table}")
            connection.execute(
                f"create table marts.{table} as select {version} as version, number "
                f"from generate_series(1, {ROWS}) as numbers (number)"
            )


def question(schema: str, table: str) -> str:
    return f"select min(version), max(version), count(*) from {schema}.{table}"


def read_duck(target: Target) -> tuple[Any, ...]:
    with duckdb.connect(str(published_path(target)), read_only=True) as connection:
        return tuple(
            connection.execute(question("marts", table)).fetchone()
            for table in ("orders", "customers")
        )


def reader_of_elephant(target: Target) -> Callable[[], tuple[Any, ...]]:
    connection = psycopg2.connect(target.dsn)

    def read() -> tuple[Any, ...]:
        cursor = connection.cursor()
        answers = []
        for table in ("orders", "customers"):
            cursor.execute(question("published", table))
            answers.append(cursor.fetchone())
        connection.commit()
        return tuple(answers)

    return read


def whole(version: int) -> tuple[object, ...]:
    return ((version, version, ROWS), (version, version, ROWS))


def test_readers_of_duckdb_see_whole_versions_and_never_fail(duck: Target) -> None:
    fill(duck, 0)
    publish(duck)
    with reading(lambda: partial(read_duck, duck)) as seen:
        for version in range(1, ROUNDS):
            fill(duck, version)
            publish(duck)
            time.sleep(0.1)
    assert set(seen) <= {whole(version) for version in range(ROUNDS)}
    assert whole(ROUNDS - 1) in seen


def test_readers_of_postgres_see_whole_versions_and_never_fail(elephant: Target) -> None:
    fill(elephant, 0)
    assert swap(elephant) == "published"
    with reading(lambda: reader_of_elephant(elephant)) as seen:
        for version in range(1, ROUNDS):
            fill(elephant, version)
            swap(elephant)
            time.sleep(0.1)
    assert set(seen) <= {whole(version) for version in range(ROUNDS)}
    assert whole(ROUNDS - 1) in seen


def test_a_reader_that_holds_a_table_keeps_what_it_sees(elephant: Target) -> None:
    fill(elephant, 1)
    swap(elephant)
    fill(elephant, 2)
    reader = psycopg2.connect(elephant.dsn)
    cursor = reader.cursor()
    cursor.execute(question("published", "orders"))
    with pytest.raises(WarehouseBusy, match="readers have held the published tables for 0 s"):
        swap(elephant, patience=0.1)
    cursor.execute(question("published", "customers"))
    assert cursor.fetchone() == (1, 1, ROWS)
    reader.close()
    swap(elephant)
    with elephant.connect() as connection:
        assert connection.scalar("select max(version) from published.orders") == 2


def test_indexes_and_keys_are_published_as_well(elephant: Target) -> None:
    with elephant.connect() as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.users (user_id bigint primary key, name text)")
        connection.execute("create index users_by_name on marts.users (name)")
    swap(elephant)
    with elephant.connect() as connection:
        count = "select count(*) from pg_indexes where schemaname = 'published'"
        assert connection.scalar(count) == 2


@pytest.mark.parametrize("kind", ["duck", "elephant"])
def test_what_did_not_pass_its_tests_is_not_published(
    kind: str, request: pytest.FixtureRequest
) -> None:
    target: Target = request.getfixturevalue(kind)
    fill(target, 1)
    with contextlib.suppress(RuntimeError), audit.pending(target, "source:queue+", "run-1"):
        raise RuntimeError
    with pytest.raises(ModelsFailed, match=r"the models \(source:queue\+\) that the run run-1"):
        audit.passed(target)
    with audit.pending(target, "other", "run-2"):
        pass
    with pytest.raises(ModelsFailed, match="run-1"):
        audit.passed(target)
    with audit.pending(target, "", "run-3"):
        pass
    assert audit.passed(target) == {}
