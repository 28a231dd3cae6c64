"""The CRM has what the model says, whatever happens on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from loaders.deliver import deliver
from loaders.errors import DeletionsHeld, DeliveryFailed, LoaderError, SettingMissing

if TYPE_CHECKING:
    from loaders.warehouse import Target
    from tests.integration.loaders.outputs.far_side import FarSide

MODEL = "outputs.out_crm__users"


def users(target: Target, *rows: tuple[Any, ...]) -> None:
    """Make these rows the whole desired state."""
    with target.connect() as connection:
        connection.execute(f"delete from {MODEL}")
        for row in rows:
            connection.execute(f"insert into {MODEL} values (?, ?, ?, ?, ?, ?)", row)


def many(target: Target, count: int) -> None:
    """Make so many users the whole desired state."""
    with target.connect() as connection:
        connection.execute(f"delete from {MODEL}")
        connection.execute(
            f"insert into {MODEL} select number, 'user' || number || '@example.com', null, 'DE', "
            f"0, 1.50 from generate_series(1, {count}) as numbers(number)"
        )


def user(key: int, email: str = "a@example.com", name: str | None = "Ada") -> tuple[Any, ...]:
    return (key, email, name, "DE", 2, "12.50")


def record(target: Target) -> dict[str, tuple[Any, ...]]:
    with target.connect() as connection:
        rows = connection.execute(
            "select item_key, status, code, answer from deliveries.crm_users"
        ).fetchall()
    return {row[0]: row[1:] for row in rows}


def test_three_batches_arrive_once(warehouse: Target, far_side: FarSide) -> None:
    many(warehouse, 250)
    seen: list[tuple[int, int]] = []
    result = deliver(
        "crm_users", target=warehouse, run_id="r1", on_progress=lambda *at: seen.append(at)
    )
    assert (result.successful, result.failed, result.skipped) == (250, 0, 0)
    assert len(far_side.contacts) == 250
    assert far_side.contacts["7"] == {
        "email": "user7@example.com",
        "full_name": None,
        "country_code": "DE",
        "count_orders": 0,
        "total_amount": 1.5,
    }
    assert far_side.requests == 3
    assert seen[-1] == (250, 250)


def test_nothing_new_sends_nothing(warehouse: Target, far_side: FarSide) -> None:
    many(warehouse, 250)
    deliver("crm_users", target=warehouse, run_id="r1")
    result = deliver("crm_users", target=warehouse, run_id="r2")
    assert (result.successful, result.failed, result.skipped) == (0, 0, 250)
    assert far_side.requests == 3


def test_changes_and_disappearances_are_sent(warehouse: Target, far_side: FarSide) -> None:
    users(warehouse, *(user(key) for key in range(1, 11)))
    deliver("crm_users", target=warehouse, run_id="r1")
    users(warehouse, *(user(key) for key in range(1, 9)), user(9, name=None), user(11))
    result = deliver("crm_users", target=warehouse, run_id="r2")
    assert (result.successful, result.deletes, result.skipped) == (3, 1, 8)
    assert sorted(far_side.contacts, key=int) == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "11"]
    assert far_side.contacts["9"]["full_name"] is None
    assert far_side.applied["10"][-1] is None
    assert "10" not in record(warehouse)


def test_going_back_to_an_earlier_state_is_sent(warehouse: Target, far_side: FarSide) -> None:
    for name in ("Ada", "Eve", "Ada"):
        users(warehouse, user(1, name=name))
        deliver("crm_users", target=warehouse, run_id=name)
    assert [data["full_name"] for data in far_side.applied["1"]] == ["Ada", "Eve", "Ada"]


def test_a_refused_item_waits_for_a_change(warehouse: Target, far_side: FarSide) -> None:
    far_side.refuses = lambda _key, data: data["email"].endswith("@blocked.example")
    users(warehouse, user(1), user(2, "b@blocked.example"))
    first = deliver("crm_users", target=warehouse, run_id="r1")
    again = deliver("crm_users", target=warehouse, run_id="r2")
    assert (first.successful, first.failed) == (1, 1)
    assert (again.successful, again.failed, again.skipped) == (0, 0, 2)
    assert record(warehouse)["2"] == ("refused", 422, "b@blocked.example is blocked")
    users(warehouse, user(1), user(2, "b@example.com"))
    assert deliver("crm_users", target=warehouse, run_id="r3").successful == 1
    assert record(warehouse)["2"] == ("delivered", None, None)


def test_a_refused_change_goes_when_the_item_goes(warehouse: Target, far_side: FarSide) -> None:
    far_side.refuses = lambda _key, data: data["email"].endswith("@blocked.example")
    users(warehouse, user(1), user(2))
    deliver("crm_users", target=warehouse, run_id="r1")
    users(warehouse, user(1), user(2, "b@blocked.example"), user(3, "c@blocked.example"))
    deliver("crm_users", target=warehouse, run_id="r2")
    users(warehouse, user(1))
    deliver("crm_users", target=warehouse, run_id="r3", allow_deletes=True)
    assert list(far_side.contacts) == ["1"]
    assert list(record(warehouse)) == ["1"]
    assert "3" not in far_side.applied


def test_too_many_deletions_are_held(warehouse: Target, far_side: FarSide) -> None:
    many(warehouse, 10)
    deliver("crm_users", target=warehouse, run_id="r1")
    many(warehouse, 3)
    with pytest.raises(DeletionsHeld, match=r"delete 7 of 10 items .* more than the 20% it may"):
        deliver("crm_users", target=warehouse, run_id="r2")
    assert len(far_side.contacts) == 10
    assert deliver("crm_users", target=warehouse, run_id="r3", allow_deletes=True).deletes == 7
    assert len(far_side.contacts) == 3


def test_a_lost_answer_is_asked_for_again(warehouse: Target, far_side: FarSide) -> None:
    faults = {1: "applied, then cut", 2: "429", 3: "503", 4: "cut", 5: "applied, then 500"}
    far_side.fault = faults.get
    many(warehouse, 250)
    result = deliver("crm_users", target=warehouse, run_id="r1")
    assert (result.successful, result.failed) == (250, 0)
    assert len(far_side.contacts) == 250
    assert far_side.applied_twice() == []


def test_a_bad_item_does_not_take_its_batch_along(warehouse: Target, far_side: FarSide) -> None:
    many(warehouse, 64)
    bad = b'"id":"13"'
    far_side.fault = lambda number: "400" if bad in far_side.bodies[number - 1] else None
    result = deliver("crm_users", target=warehouse, run_id="r1")
    assert (result.successful, result.failed) == (63, 1)
    assert record(warehouse)["13"][:2] == ("refused", 400)
    assert far_side.applied_twice() == []


def test_a_wrong_token_stops_at_once(
    warehouse: Target, far_side: FarSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTPUTS__CRM_USERS__TOKEN", "wrong")
    many(warehouse, 1500)
    with pytest.raises(DeliveryFailed, match="answers 401") as caught:
        deliver("crm_users", target=warehouse, run_id="r1")
    assert not caught.value.retryable
    assert far_side.requests <= 8
    monkeypatch.setenv("OUTPUTS__CRM_USERS__TOKEN", "far-side-token")
    assert deliver("crm_users", target=warehouse, run_id="r2").successful == 1500


def test_a_missing_setting_names_every_place(
    warehouse: Target, far_side: FarSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OUTPUTS__CRM_USERS__TOKEN")
    with pytest.raises(SettingMissing) as caught:
        deliver("crm_users", target=warehouse, run_id="r1")
    assert "OUTPUTS__CRM_USERS__TOKEN" in str(caught.value)
    assert "secrets.toml" in str(caught.value)
    assert far_side.requests == 0


def test_an_unknown_output_is_named(warehouse: Target) -> None:
    with pytest.raises(LoaderError, match=r"No output named 'crm'. Known outputs: crm_users"):
        deliver("crm", target=warehouse, run_id="r1")


def test_a_model_with_a_key_twice_is_refused(warehouse: Target, far_side: FarSide) -> None:
    users(warehouse, user(1), user(1, "b@example.com"))
    with pytest.raises(LoaderError, match="the key '1' 2 times"):
        deliver("crm_users", target=warehouse, run_id="r1")
    assert far_side.requests == 0


def test_a_missing_model_is_named(warehouse: Target, far_side: FarSide) -> None:
    with warehouse.connect() as connection:
        connection.execute(f"drop table {MODEL}")
    with pytest.raises(LoaderError, match=r"the warehouse has no model 'outputs.out_crm__users'"):
        deliver("crm_users", target=warehouse, run_id="r1")
