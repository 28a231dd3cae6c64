"""Whatever is desired, fails or ends, in whatever order, a database ends with what is desired."""

from __future__ import annotations

import socket
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loaders.delivery import Delivery
from loaders.errors import DeliveryFailed
from loaders.senders.database import DatabaseSender
from loaders.senders.databases import far_database
from loaders.senders.endpoint import Patience
from loaders.senders.facts import KeyedOutput
from loaders.warehouse import Target
from tests.integration.loaders.outputs.test_exactly_once import MODEL, Killed, MortalRecord, desire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loaders.senders.databases.far import FarDatabase

BLOCKED = "c@blocked.example"
EMAILS = ("a@x.example", "b@x.example", BLOCKED, None)
FAULTS = (None, None, None, "killed", "cut before", "cut after")
IMPATIENT = Patience(attempts=2, first_pause=0.001, longest_pause=0.001)

State = dict[int, str | None]
History = list[tuple[State, list[str | None], int]]
states = st.dictionaries(st.integers(1, 7), st.sampled_from(EMAILS))
rounds = st.lists(
    st.tuples(states, st.lists(st.sampled_from(FAULTS), max_size=20), st.integers(1, 9)),
    min_size=1,
    max_size=5,
)
sizes = st.integers(1, 4)


def cut(far: FarDatabase) -> None:
    """Take the connection away under the sender."""
    if hasattr(far.raw, "fileno"):
        with suppress(OSError), socket.socket(fileno=socket.dup(far.raw.fileno())) as there:
            there.shutdown(socket.SHUT_RDWR)
    else:
        far.raw.close()


def failing(url: str, faults: Iterator[str | None]) -> FarDatabase:
    """Return a database to which something happens at some of its statements."""
    far = far_database(url)
    plain = far.run

    def run(statement: str) -> None:
        fault = next(faults, None)
        if fault == "killed":
            raise Killed
        if fault == "cut before":
            cut(far)
        plain(statement)
        if fault == "cut after":
            cut(far)

    patch.object(far, "run", run).start()
    return far


def deliver_once(
    target: Target, url: str, size: int, faults: list[str | None], lives: int = 1_000_000
) -> None:
    """Deliver as a process would that may end at any moment."""
    sender = DatabaseSender(
        url=url,
        table="contacts",
        key=("user_id",),
        batch_size=size,
        delete_size=2,
        patience=IMPATIENT,
    )
    coming = iter(faults)
    with (
        target.connect() as connection,
        patch("loaders.senders.database.far_database", lambda place: failing(place, coming)),
    ):
        record = MortalRecord(connection, "far", "run")
        record.lives = lives
        delivery = Delivery(
            name="far",
            output=KeyedOutput(model=MODEL, key=("user_id",), sender=sender),
            record=record,
            on_progress=max,
        )
        with suppress(DeliveryFailed, Killed):
            delivery.run(allow_deletes=True)


def live_through(url: str, history: History, size: int, last: State) -> None:
    """Deliver one state after another, with faults and ends of the process, then in peace."""
    far = far_database(url)
    far.connect()
    with TemporaryDirectory() as folder, closing(far):
        far.run("drop table if exists contacts")
        far.run(
            "create table contacts (user_id bigint primary key, email text, "
            f"check (email <> '{BLOCKED}'))"
        )
        far.raw.commit()
        target = Target(name="duckdb", kind="duckdb", path=Path(folder) / "warehouse.duckdb")
        with target.connect() as connection:
            connection.execute("create schema outputs")
        for state, faults, lives in history:
            desire(target, state)
            deliver_once(target, url, size, faults, lives)
        desire(target, last)
        deliver_once(target, url, size, [])
        deliver_once(target, url, size, [])
        far.run("select user_id, email from contacts")
        assert_as_desired(dict(far.cursor.fetchall()), last)


def assert_as_desired(there: State, last: State) -> None:
    """A refused row stays as it was; all others are as desired."""
    blocked = {key for key, email in last.items() if email == BLOCKED}
    assert {key: email for key, email in there.items() if key not in blocked} == {
        key: email for key, email in last.items() if key not in blocked
    }
    assert set(there) <= set(last)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'far.sqlite'}"
    return str(request.getfixturevalue("postgres"))


CHECKS = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=CHECKS)
@given(history=rounds, size=sizes, last=states)
def test_there_is_what_is_desired(url: str, history: History, size: int, last: State) -> None:
    live_through(url, history, size, last)


@pytest.mark.endurance
@settings(max_examples=150, deadline=None, suppress_health_check=CHECKS)
@given(history=rounds, size=sizes, last=states)
def test_there_is_what_is_desired_after_many(
    url: str, history: History, size: int, last: State
) -> None:
    live_through(url, history, size, last)
