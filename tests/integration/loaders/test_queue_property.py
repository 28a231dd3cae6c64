"""Whatever messages come, in whatever batches, and wherever loads die: each is there once."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import dlt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from loaders.columns import columns
from loaders.errors import LoaderError
from loaders.load import load
from loaders.readers import queue
from loaders.readers.queue import Batch, messages
from loaders.readers.redis_stream import RedisStream
from loaders.warehouse import Target
from tests.integration.loaders.examples import LOADS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loaders.load import LoadResult

DECLARED = columns(n="bigint", at="timestamp", amount="decimal(18, 2)", doc="json")
BYTES = (
    st.sampled_from([b"", b"1", b"1.5", b"2026-01-31T10:00:00Z", b'{"a": 1}', b"\xff", b"\0"])
    | st.binary(max_size=6)
    | st.text(max_size=6).map(partial(str.encode, errors="replace"))
)
NAMES = st.sampled_from([b"n", b"at", b"amount", b"doc", b"message_id", b"Other", b"\xfe"])
MESSAGES = st.lists(st.dictionaries(NAMES, BYTES, min_size=1, max_size=4), max_size=12)
DEATHS = st.sampled_from(["", "receive", "gate", "acknowledge"])
"""Where a load fails: once a page has been received, judged, or committed and not acknowledged."""
ROUNDS = st.lists(
    st.tuples(MESSAGES, st.integers(1, 5), st.integers(1, 8), DEATHS), min_size=1, max_size=4
)


class Dead(RuntimeError):
    """The load is dead."""


class Mortal(RedisStream):
    """A stream whose load dies where it is told to."""

    def __init__(self, *place: str, death: str) -> None:
        super().__init__(*place)
        self.death = death

    def receive(self, count: int, wait: float) -> list[queue.Message]:
        """Receive, and die where that is the place."""
        page = super().receive(count, wait)
        if page and self.death == "receive":
            raise Dead
        return page

    def acknowledge(self, message_ids: list[str]) -> None:
        """Die first where that is the place."""
        if self.death == "acknowledge":
            raise Dead
        super().acknowledge(message_ids)


def judged(judge: Any, table: str, broker: Mortal, page: Any, **settings: Any) -> Iterator[Any]:
    """Judge a page, and die where that is the place."""
    yield from judge(table, broker, page, **settings)
    if broker.death == "gate":
        raise Dead


def tried(url: str, name: str, target: Target, batch: Batch, death: str) -> LoadResult | None:
    """Load once; None where the load died."""
    connect = partial(Mortal, url, name, "tidemill", death=death)

    @dlt.source(name=name)
    def source() -> Any:
        return messages("things", connect, columns=DECLARED, batch=batch)

    judge = queue._judged
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(queue, "_judged", partial(judged, judge))
        with suppress(LoaderError):
            return load(source(), target=target)
    return None


def all_there(url: str, rounds: list[Any], dsn: str = "") -> None:
    """Send and load round by round, then once more; hold what is there against what was sent."""
    name = f"anything_{uuid4().hex[:8]}"
    with TemporaryDirectory() as folder, Redis.from_url(url) as client:
        os.environ["TIDEMILL_VAR"] = folder
        target = Target(name="duckdb", kind="duckdb", path=Path(folder) / "warehouse.duckdb")
        if dsn:
            target = Target(name="postgres", kind="postgres", dsn=dsn)
        sent: set[str] = set()
        for found, at_once, most, death in rounds:
            sent |= {client.xadd(name, fields).decode() for fields in found}
            tried(url, name, target, Batch(at_once=at_once, messages=most), death)
        while (broker := RedisStream(url, name, "tidemill")).lag():
            broker.close()
            assert tried(url, name, target, Batch(), "")
        broker.close()
        last = tried(url, name, target, Batch(), "")
        assert last
        for table in last.tables:
            assert table.read == table.loaded + table.collapsed + table.rejected
        with target.connect() as connection:
            rows = connection.execute(f"select message_id from raw_{name}.things").fetchall()
            refused = connection.execute(f"select position from raw_{name}._rejects").fetchall()
        assert sorted(one for (one,) in rows + refused) == sorted(sent)


@pytest.mark.slow
@LOADS
@given(ROUNDS)
def test_each_message_is_there_once(redis_url: str, rounds: list[Any]) -> None:
    all_there(redis_url, rounds)


@pytest.mark.slow
@LOADS
@given(ROUNDS)
def test_each_message_is_there_once_on_postgres(
    redis_url: str, postgres: str, rounds: list[Any]
) -> None:
    all_there(redis_url, rounds, postgres)
