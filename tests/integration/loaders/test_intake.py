"""What was pushed comes to the warehouse once, in order, with deletions marked."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from loaders.intake.store import ITEMS, create, engine_for, writing
from loaders.load import load
from loaders.sources.intake import intake

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loaders.warehouse import Target

    Put = Callable[..., None]

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).replace(tzinfo=None)


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TIDEMILL_VAR", str(tmp_path))
    place = f"sqlite:///{tmp_path / 'intake.sqlite'}"
    monkeypatch.setenv("SOURCES__INTAKE__URL", place)
    return place


@pytest.fixture
def put(url: str) -> Put:
    engine = engine_for(url)
    create(engine)

    def append(*items: tuple[str, int, str, dict[str, Any]]) -> None:
        rows = [
            {
                "resource": resource,
                "item_id": key,
                "method": method,
                "batch_id": "b1",
                "data": json.dumps({"id": key, **data}),
                "accepted_at": AT,
            }
            for resource, key, method, data in items
        ]
        with writing(engine) as connection:
            connection.execute(ITEMS.insert(), rows)

    return append


def user(key: int, method: str = "create", **data: Any) -> tuple[str, int, str, dict[str, Any]]:
    return ("users", key, method, {"email": f"u{key}@example.com", **data})


def counts(target: Target) -> dict[str, tuple[int, int, int, int]]:
    found = load("intake", target=target).tables
    return {t.table: (t.read, t.loaded, t.collapsed, t.rejected) for t in found}


def users(target: Target) -> list[tuple[Any, ...]]:
    sql = (
        "select id, email, deleted_at is not null, intake_sequence from raw_intake.users order by 1"
    )
    with target.connect() as connection:
        return connection.execute(sql).fetchall()


def test_each_item_is_counted_and_loaded_once(target: Target, put: Put) -> None:
    put(
        user(1),
        user(2),
        (
            "orders",
            7,
            "create",
            {
                "user_id": 1,
                "status": "paid",
                "currency": "EUR",
                "amount": "12.30",
                "ordered_at": "2026-01-01T02:00:00+02:00",
            },
        ),
    )
    assert counts(target) == {"users": (2, 2, 0, 0), "orders": (1, 1, 0, 0)}
    assert counts(target) == {}
    with target.connect() as connection:
        sql = (
            "select amount::text, ordered_at = timestamptz '2026-01-01 00:00:00+00' "
            "from raw_intake.orders"
        )
        assert connection.execute(sql).fetchall() == [("12.30", True)]


def test_changes_and_deletions_take_their_rows_place(target: Target, put: Put) -> None:
    put(user(1), user(2), user(3))
    counts(target)
    put(
        user(1, "update", email="new@example.com"),
        user(2, "delete"),
        user(1, "update", email="newest@example.com"),
    )
    assert counts(target) == {"users": (3, 2, 1, 0)}
    assert users(target) == [
        (1, "newest@example.com", False, 6),
        (2, "u2@example.com", True, 5),
        (3, "u3@example.com", False, 3),
    ]
    put(user(2, email="back@example.com"))
    assert counts(target) == {"users": (1, 1, 0, 0)}
    assert users(target)[1] == (2, "back@example.com", False, 7)


def test_items_are_read_in_pages(target: Target, put: Put, url: str) -> None:
    put(*(user(key) for key in range(1, 8)))
    found = load(intake(url, batch_size=3), target=target).tables
    assert [(t.table, t.read, t.loaded) for t in found] == [("users", 7, 7)]


def test_a_store_that_is_not_there_yet_holds_nothing(target: Target, url: str) -> None:
    assert counts(target) == {}
    assert users(target) == []
