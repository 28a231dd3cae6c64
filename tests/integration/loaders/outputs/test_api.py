"""An API is asked at its pace, let alone when it is down, and never told what it need not know."""

from __future__ import annotations

import json
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from loaders.deliver import deliver, preview, refused
from loaders.delivery import Delivery, DeliveryResult
from loaders.delivery_record import DeliveryRecord
from loaders.errors import DeliveryFailed, LoaderError
from loaders.outputs.crm_users import decode, encode
from loaders.senders.api import ApiSender
from loaders.senders.breaker import Breaker
from loaders.senders.endpoint import Endpoint, Patience, Request
from loaders.senders.facts import Batch, KeyedOutput
from loaders.senders.pace import Pace
from tests.integration.loaders.outputs.far_side import TOKEN, FarSide

if TYPE_CHECKING:
    from loaders.warehouse import Target

MODEL = "outputs.out_crm__users"
IMPATIENT = Patience(attempts=4, first_pause=0.01, longest_pause=0.05)


@pytest.fixture
def target(duckdb_target: Target) -> Target:
    with duckdb_target.connect() as connection:
        connection.execute("create schema outputs")
    desire(duckdb_target, 400)
    return duckdb_target


def desire(target: Target, count: int, domain: str = "x.example") -> None:
    with target.connect() as connection:
        connection.execute(
            f"create or replace table {MODEL} as select number as user_id, "
            f"'user' || number || '@{domain}' as email "
            f"from generate_series(1, {count}) as numbers(number)"
        )


def bulk(url: str) -> Endpoint:
    address = f"{url}/crm/contacts/batch"
    return Endpoint(url=address, encode=lambda batch: encode(address, batch), decode=decode)


def send(target: Target, endpoint: Endpoint, **settings: Any) -> DeliveryResult:
    settings = {"patience": IMPATIENT, "batch_size": 10, "token": TOKEN, **settings}
    sender = ApiSender(endpoint=endpoint, key=("user_id",), **settings)
    with target.connect() as connection:
        return Delivery(
            name="crm_users",
            output=KeyedOutput(model=MODEL, key=("user_id",), sender=sender),
            record=DeliveryRecord(connection, "crm_users", "r1"),
            on_progress=max,
        ).run(allow_deletes=True)


def test_a_storm_of_429_passes(target: Target, far_side: FarSide) -> None:
    far_side.fault = lambda number: "429" if number % 3 else None
    assert send(target, bulk(far_side.url), in_flight=6).successful == 400
    assert far_side.statuses["200"] == 40
    assert far_side.most_in_flight <= 6
    assert far_side.applied_twice() == []


def test_retry_after_holds_everyone_back(
    target: Target, far_side: FarSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    far_side.retry_after = "1"
    far_side.fault = lambda number: "429" if number == 9 else None
    held: list[tuple[float, int]] = []
    hold = Pace.hold

    def noted(pace: Pace, seconds: float) -> None:
        begun = time.monotonic()
        hold(pace, seconds)
        held.append((begun, len(far_side.started)))

    monkeypatch.setattr(Pace, "hold", noted)
    send(target, bulk(far_side.url), in_flight=4)
    ((begun, started),) = held
    later = [moment - begun for moment in far_side.started[started:]]
    assert sum(waited < 1 for waited in later) <= 3  # the others that were under way
    assert later[-1] >= 1


def test_requests_keep_the_rate(target: Target, far_side: FarSide) -> None:
    begun = time.monotonic()
    send(target, bulk(far_side.url), in_flight=5, rate=50.0)
    assert far_side.requests == 40
    waited = [moment - begun for moment in far_side.started]
    assert all(seconds >= (number - 5) / 50 for number, seconds in enumerate(waited))


def test_silence_after_applying_is_no_loss(target: Target, far_side: FarSide) -> None:
    far_side.hang = 4
    far_side.fault = lambda number: "applied, then silence" if number in {1, 5} else None
    assert send(target, bulk(far_side.url), timeout=2, in_flight=6).successful == 400
    assert far_side.requests == 42
    assert far_side.applied_twice() == []


def test_a_dead_service_is_let_alone(
    target: Target, far_side: FarSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loaders.senders.api.Breaker", partial(Breaker, cooldown=0.05))
    desire(target, 2_000)
    far_side.fault = lambda number: "503" if number > 20 else None
    patience = Patience(attempts=8, first_pause=0.01, longest_pause=0.02)
    with pytest.raises(DeliveryFailed, match="is down: it answers 503") as caught:
        send(target, bulk(far_side.url), in_flight=4, patience=patience)
    assert caught.value.retryable
    assert far_side.requests <= 20 + 20
    done = caught.value.result
    assert (done.successful, done.failed) == (200, 1_800)
    far_side.fault = lambda _number: None
    assert send(target, bulk(far_side.url)).successful == 1_800
    assert far_side.applied_twice() == []


def test_a_batch_that_always_fails_does_not_stop_the_others(
    target: Target, far_side: FarSide
) -> None:
    far_side.fault = lambda number: "500" if b'"id":"123"' in far_side.bodies[number - 1] else None
    with pytest.raises(DeliveryFailed, match="no answer to a batch of 10: it answers 500, 4 times"):
        send(target, bulk(far_side.url))
    assert len(far_side.contacts) == 390


def per_item(url: str) -> Endpoint:
    def encode_item(batch: Batch) -> Request:
        (item,) = batch.items
        method = "DELETE" if item.method == "delete" else "PUT"
        body = () if item.method == "delete" else (item.data.encode(),)
        return Request(method=method, url=f"{url}/contacts/{item.key}", body=body)

    return Endpoint(
        url=f"{url}/contacts", encode=encode_item, decode=lambda _batch, _: (), per_item=True
    )


def test_items_can_have_addresses_of_their_own(target: Target, far_side: FarSide) -> None:
    far_side.refuses = lambda key, _data: key == "7"
    result = send(target, per_item(far_side.url), batch_size=1, in_flight=8)
    assert (result.successful, result.failed) == (399, 1)
    assert far_side.contacts["8"] == {"email": "user8@x.example"}
    desire(target, 398)
    far_side.fault = lambda number: "404" if number == 401 else None
    assert send(target, per_item(far_side.url), batch_size=1).successful == 2
    assert far_side.statuses["404"] == 1
    assert len(far_side.contacts) == 398


def by_address(url: str) -> Endpoint:
    """Return an endpoint that changes by PUT, creates by POST, and deletes."""

    def change(batch: Batch) -> Request:
        (item,) = batch.items
        method = "DELETE" if item.method == "delete" else "PUT"
        return Request(method=method, url=f"{url}/contacts/{item.key}", body=(item.data.encode(),))

    def create(batch: Batch) -> Request:
        (item,) = batch.items
        body = json.dumps({"id": item.key, **json.loads(item.data)}).encode()
        return Request(method="POST", url=f"{url}/contacts", body=(body,))

    return Endpoint(
        url=url,
        encode=change,
        decode=lambda _batch, _answer: (),
        per_item=True,
        instead={404: create, 409: change},
    )


@pytest.mark.parametrize("fault", [None, "500", "cut", "applied, then cut", "applied, then 500"])
def test_what_is_not_there_is_created_by_another_request(
    target: Target, far_side: FarSide, fault: str | None
) -> None:
    far_side.creates_by_post, far_side.honours_keys = True, False
    far_side.fault = lambda number: fault if number % 3 == 0 else None
    for count, domain in ((8, "x.example"), (6, "y.example"), (9, "z.example")):
        desire(target, count, domain)
        # one at a time, or one item may meet every fault there is and run out of attempts
        result = send(target, by_address(far_side.url), batch_size=1, in_flight=1)
        assert result.failed == 0
        assert far_side.contacts == {
            str(key): {"email": f"user{key}@{domain}"} for key in range(1, count + 1)
        }


def test_a_redirection_is_no_answer_about_an_item(target: Target, far_side: FarSide) -> None:
    far_side.fault = lambda _number: "301"
    with pytest.raises(DeliveryFailed, match="answers 301"):
        send(target, by_address(far_side.url), batch_size=1)
    assert refused("crm_users", target=target) == []


def test_a_preview_shows_and_sends_nothing(target: Target, far_side: FarSide) -> None:
    seen = preview("crm_users", target=target, limit=3)
    assert (seen.upserts, seen.deletes, seen.left, len(seen.items)) == (400, 0, 0, 3)
    assert seen.items[0].data == '{"email":"user1@x.example"}'
    deliver("crm_users", target=target, run_id="r1")
    desire(target, 300, domain="y.example")
    seen = preview("crm_users", target=target)
    assert (seen.upserts, seen.deletes) == (300, 100)
    assert (seen.items[0].method, seen.items[0].data) == ("delete", "{}")
    assert far_side.requests == 4
    assert len(far_side.contacts) == 400
    assert deliver("crm_users", target=target, run_id="r2", allow_deletes=True).successful == 400


def test_what_was_refused_can_be_replayed(target: Target, far_side: FarSide) -> None:
    desire(target, 3)
    far_side.refuses = lambda key, _data: key == "2"
    deliver("crm_users", target=target, run_id="r1")
    (item,) = refused("crm_users", target=target)
    assert (item.key, item.code, item.answer, item.run_id, item.is_delete) == (
        "2",
        422,
        "user2@x.example is blocked",
        "r1",
        False,
    )
    far_side.refuses = lambda _key, _data: False
    assert deliver("crm_users", target=target, run_id="r2").successful == 0
    assert deliver("crm_users", target=target, run_id="r3", replay=True).successful == 1
    assert refused("crm_users", target=target) == []
    assert far_side.contacts["2"] == {"email": "user2@x.example"}


def test_chosen_items_can_be_replayed(target: Target, far_side: FarSide) -> None:
    desire(target, 4)
    far_side.refuses = lambda key, _data: key in {"2", "3"}
    deliver("crm_users", target=target, run_id="r1")
    far_side.refuses = lambda _key, _data: False
    assert deliver("crm_users", target=target, run_id="r2", keys=["3"]).successful == 1
    assert [item.key for item in refused("crm_users", target=target)] == ["2"]
    with pytest.raises(LoaderError, match="no refused item of that key"):
        deliver("crm_users", target=target, run_id="r3", keys=["2", "4"])
    assert [item.key for item in refused("crm_users", target=target)] == ["2"]


def test_what_was_done_before_a_failure_is_told(target: Target, far_side: FarSide) -> None:
    far_side.fault = lambda number: "400" if number == 4 else "401" if number > 10 else None
    with pytest.raises(DeliveryFailed) as caught:
        send(target, bulk(far_side.url), in_flight=1)
    result: DeliveryResult = caught.value.result
    assert (result.successful, result.failed, result.skipped) == (80, 320, 0)
    assert len(far_side.contacts) == 80


def test_the_token_is_told_to_nobody(
    target: Target, far_side: FarSide, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    far_side.refuses = lambda key, _data: key == "2"
    send(target, bulk(far_side.url))
    desire(target, 1)
    with pytest.raises(DeliveryFailed, match="answers 401") as caught:
        send(target, bulk(far_side.url), token="other-secret-token")
    sender = ApiSender(endpoint=bulk(far_side.url), key=("user_id",), token="other-secret-token")
    with target.connect() as connection:
        rows = connection.execute("select * from deliveries.crm_users").fetchall()
    for text in (caplog.text, str(caught.value), repr(sender), str(rows)):
        assert "other-secret-token" not in text
        assert TOKEN not in text.replace("unknown token far-side-token", "")


def test_a_slow_far_side_is_waited_for(target: Target, far_side: FarSide) -> None:
    far_side.wanted_in_flight = 5
    far_side.fault = lambda _number: "slow"
    assert send(target, bulk(far_side.url), in_flight=10).successful == 400
    assert 5 <= far_side.most_in_flight <= 10
