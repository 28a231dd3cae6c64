"""Each item of a batch is judged by itself, and applied to what stands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from orchestration.service.items import Checked, apply, check

NOW = datetime(2026, 1, 2, tzinfo=UTC)
EMAIL = {"email": "ann@example.com"}


def errors_of(*items: Any, standing: dict[int, dict[str, Any] | None] | None = None) -> list[Any]:
    checked = [check("users", item) for item in items]
    known = {} if standing is None else standing
    done = apply(checked, known, resource="users", batch_id="b1", now=NOW)
    return [result["error"] for result in done.results]


def item(key: Any, method: str = "create", **data: Any) -> dict[str, Any]:
    return {"id": key, "method": method, "data": data}


def test_a_good_item_is_whole_and_typed() -> None:
    found = check(
        "orders",
        item(
            7,
            user_id=1,
            status="paid",
            currency="EUR",
            amount=12.3,
            ordered_at="2026-01-01T02:00:00+02:00",
        ),
    )
    assert found == Checked(
        given_id=7,
        key=7,
        method="create",
        data={
            "id": 7,
            "user_id": 1,
            "status": "paid",
            "currency": "EUR",
            "amount": "12.3",
            "ordered_at": "2026-01-01T02:00:00+02:00",
            "shipped_at": None,
            "updated_at": None,
        },
    )


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (5, "An item is an object with id, method and data."),
        ({"id": 1, "method": "create", "extra": 1}, "Unknown field 'extra' of the item."),
        (item(1, "upsert"), "method: must be one of create, update, delete."),
        ({"id": 1, "method": "create", "data": []}, "data: must be an object."),
        (item(1, id=2), "data.id: differs from the item's id."),
        (item(1), "email: Field required"),
        (item(0, **EMAIL), "id: Input should be greater than or equal to 1"),
        (item(2**63, **EMAIL), "id: Input should be less than or equal to 9223372036854775807"),
        (item(1, nickname="A", **EMAIL), "nickname: Extra inputs are not permitted"),
        (
            item(1, first_name="a\x00b", **EMAIL),
            "first_name: Value error, a text must not contain the character NUL",
        ),
        (
            item(1, created_at="2026-01-01T00:00:00", **EMAIL),
            "created_at: Input should have timezone info",
        ),
        (item(1, "update", email=None), "email: Input should be a valid string"),
        (item(1, "update"), "There is no id 1. Create it first."),
        (item(1, "delete"), "There is no id 1. Create it first."),
    ],
)
def test_a_bad_item_tells_why(given: Any, reason: str) -> None:
    assert errors_of(given) == [reason]


def test_one_bad_item_never_spoils_the_others() -> None:
    assert errors_of(item(1, **EMAIL), item(2), item(3, **EMAIL)) == [
        None,
        "email: Field required",
        None,
    ]


def test_items_of_one_key_are_applied_in_their_order() -> None:
    standing: dict[int, dict[str, Any] | None] = {}
    found = errors_of(
        item(1, **EMAIL),
        item(1, **EMAIL),
        item(1, "update", first_name="Ann"),
        item(1, "delete"),
        item(1, "delete"),
        item(1, email="b@example.com"),
        standing=standing,
    )
    assert found == [
        None,
        "id 1 exists already. Send it as an update.",
        None,
        None,
        "There is no id 1. Create it first.",
        None,
    ]
    row = standing[1]
    assert row is not None
    assert (row["email"], row["first_name"]) == ("b@example.com", None)


def test_an_update_changes_only_what_it_gives() -> None:
    standing: dict[int, dict[str, Any] | None] = {1: {"id": 1, "email": "a@b.c", "phone": "1"}}
    errors_of(item(1, "update", email="new@b.c"), standing=standing)
    assert standing == {1: {"id": 1, "email": "new@b.c", "phone": "1"}}
