"""Whatever fails in whatever order, the far side ends as desired, and nothing applies twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaders.delivery import Delivery
from loaders.delivery_record import DeliveryRecord
from loaders.errors import DeliveryFailed
from loaders.outputs.crm_users import decode, encode
from loaders.senders.api import ApiSender
from loaders.senders.endpoint import Endpoint, Patience
from loaders.senders.facts import KeyedOutput
from loaders.warehouse import Target
from tests.integration.loaders.outputs.far_side import TOKEN, FarSide

if TYPE_CHECKING:
    from loaders.senders.facts import Answer

MODEL = "outputs.out_crm__users"
IMPATIENT = Patience(attempts=3, slow_downs=3, rounds=1, first_pause=0.001, longest_pause=0.002)
FAULTS = (
    None,
    "429",
    "500",
    "503",
    "404",
    "cut",
    "garbage",
    "slow",
    "applied, then cut",
    "applied, then 500",
    "applied, then silence",
)


class Killed(BaseException):
    """The process ends here, as far as the test goes."""


class MortalRecord(DeliveryRecord):
    """A record whose process ends at the n-th thing it would write down."""

    lives: int = 1_000_000

    def record(self, answers: list[Answer]) -> None:
        """Store answers, if there is life left for it."""
        self._live()
        super().record(answers)

    def settle(self) -> None:
        """Carry answers over, if there is life left for it."""
        self._live()
        super().settle()

    def _live(self) -> None:
        self.lives -= 1
        if self.lives <= 0:
            raise Killed


def output(url: str, batch_size: int, timeout: float) -> KeyedOutput:
    address = f"{url}/crm/contacts/batch"
    endpoint = Endpoint(url=address, encode=lambda batch: encode(address, batch), decode=decode)
    sender = ApiSender(
        endpoint=endpoint,
        key=("user_id",),
        token=TOKEN,
        batch_size=batch_size,
        in_flight=3,
        timeout=timeout,
        patience=IMPATIENT,
    )
    return KeyedOutput(model=MODEL, key=("user_id",), sender=sender)


def desire(target: Target, state: dict[int, str | None]) -> None:
    with target.connect() as connection:
        connection.execute(f"create or replace table {MODEL} (user_id bigint, email text)")
        for key, email in state.items():
            connection.execute(f"insert into {MODEL} values (?, ?)", [key, email])


def deliver_once(target: Target, to: KeyedOutput, lives: int) -> None:
    """Deliver as a process would that may end at any moment."""
    with target.connect() as connection:
        record = MortalRecord(connection, "crm_users", "run")
        record.lives = lives
        delivery = Delivery(name="crm_users", output=to, record=record, on_progress=max)
        with suppress(DeliveryFailed, Killed):
            delivery.run(allow_deletes=True)


State = dict[int, str | None]
History = list[tuple[State, list[str | None], int]]
states = st.dictionaries(
    st.integers(1, 6), st.sampled_from(["a@x.example", "b@x.example", "c@blocked.example", None])
)
rounds = st.lists(
    st.tuples(states, st.lists(st.sampled_from(FAULTS), max_size=6), st.integers(1, 9)),
    min_size=1,
    max_size=5,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=rounds, batch_size=st.integers(1, 4), last=states)
def test_delivered_is_desired_at_the_end(history: History, batch_size: int, last: State) -> None:
    live_through(history, batch_size, last)


@pytest.mark.endurance
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=rounds, batch_size=st.integers(1, 4), last=states)
def test_delivered_is_desired_at_the_end_of_many(
    history: History, batch_size: int, last: State
) -> None:
    live_through(history, batch_size, last)


def live_through(history: History, batch_size: int, last: State) -> None:
    """Deliver one state after another, with faults and ends of the process, then in peace."""
    with TemporaryDirectory() as folder, FarSide(hang=0.3) as far:
        far.refuses = lambda _key, data: str(data["email"]).endswith("@blocked.example")
        target = Target(name="duckdb", kind="duckdb", path=Path(folder) / "warehouse.duckdb")
        with target.connect() as connection:
            connection.execute("create schema outputs")
        to = output(far.url, batch_size, timeout=0.2)
        for state, faults, lives in history:
            base = far.requests
            far.fault = lambda number, base=base, faults=faults: dict(
                enumerate(faults, start=base + 1)
            ).get(number)
            desire(target, state)
            deliver_once(target, to, lives)
        far.fault = lambda _number: None
        desire(target, last)
        in_peace = output(far.url, batch_size, timeout=30)
        deliver_once(target, in_peace, 1_000_000)
        deliver_once(target, in_peace, 1_000_000)
        assert_as_desired(far, last)


def assert_as_desired(far: FarSide, last: dict[int, str | None]) -> None:
    """A refused item stays as it was; all others are as desired, and got there step by step."""
    wanted = {str(key): {"email": email} for key, email in last.items()}
    blocked = {key for key, data in wanted.items() if "blocked" in str(data["email"])}
    assert {k: v for k, v in far.contacts.items() if k not in blocked} == {
        k: v for k, v in wanted.items() if k not in blocked
    }
    assert far.applied_twice() == []


SCRIPT = """
import os, sys
from pathlib import Path
from loaders import delivery_record
from loaders.deliver import deliver
from loaders.warehouse import Target
record, calls = delivery_record.DeliveryRecord.record, 0
def dies(self, answers):
    global calls
    calls += 1
    if calls == {at}:
        os.kill(os.getpid(), 9)
    record(self, answers)
delivery_record.DeliveryRecord.record = dies
target = Target(name={name!r}, kind={kind!r}, path={path}, dsn={dsn!r})
deliver("crm_users", target=target, run_id="r")
"""


@pytest.mark.parametrize("at", [1, 3, 1000])
def test_a_kill_between_send_and_record_is_made_good(
    warehouse: Target, far_side: FarSide, at: int
) -> None:
    with warehouse.connect() as connection:
        connection.execute(
            f"insert into {MODEL} select number, 'user' || number || '@example.com', null, 'DE', "
            "0, 1.50 from generate_series(1, 1200) as numbers(number)"
        )
    code = SCRIPT.format(
        at=at,
        name=warehouse.name,
        kind=warehouse.kind,
        path=f"Path({str(warehouse.path)!r})" if warehouse.path else None,
        dsn=warehouse.dsn,
    )
    assert run(code) == (-signal.SIGKILL if at < 1000 else 0)
    if at < 1000:
        assert len(far_side.contacts) >= 100
    with warehouse.connect() as connection:
        connection.execute(f"update {MODEL} set email = 'new@example.com' where user_id = 1")
    assert run(code.replace(f"calls == {at}:", "False:")) == 0
    assert len(far_side.contacts) == 1200
    assert far_side.contacts["1"]["email"] == "new@example.com"
    assert far_side.applied_twice() == []


def run(code: str) -> int:
    environment: dict[str, Any] = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run([sys.executable, "-c", code], check=False, env=environment, timeout=60)
    return done.returncode
