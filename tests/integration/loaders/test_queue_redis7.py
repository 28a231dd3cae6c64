"""A Redis of today tells what it trimmed; restarts, TLS and users of few rights lose nothing."""

from __future__ import annotations

import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import dlt
import pytest

from loaders.errors import LoaderError
from loaders.load import load
from loaders.readers.queue import Batch, messages
from loaders.readers.redis_stream import RedisStream
from loaders.sources.payment_queue import PAYMENTS
from tests.integration.loaders.redis7 import Redis7, is_installed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dlt.extract import DltSource

    from loaders.load import LoadResult
    from loaders.warehouse import Target

pytestmark = pytest.mark.skipif(
    not is_installed(), reason="no Redis 7 is installed (apt-get install redis-server)"
)
GROUP = "tidemill"
RIGHTS = "on >hidden ~payments +@stream"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Redis7]:
    with Redis7(tmp_path, "--appendfsync", "always") as started:
        yield started


def send(server: Redis7, *numbers: int) -> list[str]:
    return [str(server.client.xadd("payments", {"payment_id": n})) for n in numbers]


def source(url: str, connect: Any = RedisStream, **settings: Any) -> DltSource:
    @dlt.source(name="payment_queue")
    def payment_queue() -> Any:
        opened = partial(connect, url, "payments", GROUP, **settings)
        return messages("payments", opened, columns=PAYMENTS, batch=Batch(at_once=10))

    return payment_queue()


def counts(result: LoadResult) -> list[tuple[int, int, int, int]]:
    return [(t.read, t.loaded, t.collapsed, t.rejected) for t in result.tables]


def fetch(target: Target, sql: str) -> list[tuple[Any, ...]]:
    with target.connect() as connection:
        return connection.execute(sql).fetchall()


def whole(target: Target, server: Redis7, count: int) -> None:
    """Hold the warehouse and the group to so many messages, each there once."""
    sql = "select count(*), count(distinct payment_id) from raw_payment_queue.payments"
    assert fetch(target, sql) == [(count, count)]
    assert server.client.xpending("payments", GROUP)["pending"] == 0


def test_what_was_trimmed_before_it_was_received_is_told_once(
    duckdb_target: Target, server: Redis7
) -> None:
    send(server, *range(30))
    server.client.xtrim("payments", maxlen=20, approximate=False)
    # there was no group yet to which the first ten could have been lost
    assert counts(load(source(server.url), target=duckdb_target)) == [(20, 20, 0, 0)]
    send(server, *range(30, 50))
    server.client.xtrim("payments", maxlen=5, approximate=False)
    told = load(source(server.url), target=duckdb_target)
    assert counts(told) == [(6, 5, 0, 1)]
    assert told.notices == ()
    reasons = "select reason from raw_payment_queue._rejects"
    lost = "15 messages were trimmed from the stream before they were received"
    assert fetch(duckdb_target, reasons) == [(lost,)]
    send(server, 50)
    again = load(source(server.url), target=duckdb_target)
    assert (counts(again), again.notices) == ([(1, 1, 0, 0)], ())
    whole(duckdb_target, server, 26)


def test_what_a_dead_consumer_had_received_is_told_when_it_is_gone(
    duckdb_target: Target, server: Redis7
) -> None:
    first, second, *_ = send(server, *range(8))
    dead = RedisStream(server.url, "payments", GROUP, consumer="dead")
    assert len(dead.receive(5, 0)) == 5
    dead.close()
    server.client.xdel("payments", first, second)
    time.sleep(0.1)
    result = load(source(server.url, claim_after=0.1), target=duckdb_target)
    assert counts(result) == [(8, 6, 0, 2)]
    found = fetch(duckdb_target, "select position from raw_payment_queue._rejects order by 1")
    assert found == [(first,), (second,)]
    whole(duckdb_target, server, 6)


class Disturbed(RedisStream):
    """A stream to whose server something happens before the third page."""

    def __init__(self, *place: str, disturb: Any) -> None:
        super().__init__(*place)
        self.pages = 0
        self.disturb = disturb

    def receive(self, count: int, wait: float) -> list[Any]:
        """Receive, disturbed."""
        self.pages += 1
        if self.pages == 3:
            self.disturb()
        return super().receive(count, wait)


@pytest.mark.parametrize("what", ["restart", "group", "stream"])
def test_what_happens_to_the_server_in_mid_batch_loses_and_doubles_nothing(
    duckdb_target: Target, server: Redis7, what: str
) -> None:
    send(server, *range(55))
    disturb = {
        "restart": server.restart,
        "group": lambda: server.client.xgroup_destroy("payments", GROUP),
        "stream": lambda: server.client.delete("payments"),
    }[what]
    disturbed = source(server.url, Disturbed, disturb=disturb)
    if what == "restart":
        load(disturbed, target=duckdb_target)
    else:
        with pytest.raises(LoaderError, match="NOGROUP"):
            load(disturbed, target=duckdb_target)
    if what == "stream":
        send(server, *range(55))
    load(source(server.url), target=duckdb_target)
    whole(duckdb_target, server, 55)
    assert counts(load(source(server.url), target=duckdb_target)) == []


def test_a_server_that_stays_away_can_be_tried_again(duckdb_target: Target, server: Redis7) -> None:
    send(server, *range(55))
    with pytest.raises(LoaderError) as told:
        load(source(server.url, Disturbed, disturb=server.stop), target=duckdb_target)
    assert told.value.retryable
    server.start()
    load(source(server.url), target=duckdb_target)
    whole(duckdb_target, server, 55)


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with a certificate of our own making for 127.0.0.1, and its key."""
    folder = tmp_path / "certificates"
    folder.mkdir()
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ours -keyout key -out ca"
    name = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *name], cwd=folder, check=True, capture_output=True)
    return folder


def test_a_user_of_few_rights_reads_by_tls(
    duckdb_target: Target, tmp_path: Path, certificates: Path
) -> None:
    ca, key = str(certificates / "ca"), str(certificates / "key")
    tls = ("--tls-cert-file", ca, "--tls-key-file", key, "--tls-auth-clients", "no")
    port = ("--port", "0", "--tls-port", "PORT")
    with Redis7(tmp_path, *port, *tls, ssl=True, ssl_ca_certs=ca) as server:
        server.client.execute_command(f"acl setuser us {RIGHTS}")
        send(server, *range(12))
        place = f"rediss://us:hidden@127.0.0.1:{server.port}/0"
        trusting = f"{place}?ssl_ca_certs={ca}"
        assert counts(load(source(trusting), target=duckdb_target)) == [(12, 12, 0, 0)]
        with pytest.raises(LoaderError, match=r"(?i)certificate") as told:
            load(source(place), target=duckdb_target)
        assert "hidden" not in str(told.value)
        whole(duckdb_target, server, 12)
