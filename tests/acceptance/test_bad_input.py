"""Whatever is wrong outside is told in one clear sentence, and the next run goes on with it all."""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb
import pytest

from demo.redis_server import start_redis, stop_redis
from loaders.warehouse import Target
from tests.acceptance.command import ROOT, Tidemill
from tests.acceptance.days import expected, look
from tests.acceptance.holding import assert_counts, assert_crm, assert_marts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.shop import Shop

pytestmark = pytest.mark.slow

PROFILE = (ROOT / "profiles" / "profiles.yml").read_text()
PATH = "env_var('TIDEMILL_DUCKDB_PATH', '../var/warehouse.duckdb')"
NOWHERE = "127.0.0.1:1"
DAILY = ("run", "daily", "--attempts", "1")


@pytest.fixture
def tidemill(shop: Shop, tmp_path: Path) -> Tidemill:
    """The commands, and a shop after its first day."""
    shop.advance()
    return Tidemill(var=tmp_path / "var", variables=shop.environment())


@pytest.fixture
def bare(tmp_path: Path) -> Tidemill:
    """The commands, without a shop."""
    return Tidemill(var=tmp_path / "var")


def refused(done: subprocess.CompletedProcess[str], *told: str) -> None:
    """Hold a command that must fail to what it must say."""
    said = done.stdout + done.stderr
    assert done.returncode not in {0, os.EX_SOFTWARE}, said
    assert "Traceback" not in said
    assert "hunter2" not in said, "a password is shown"
    assert [words for words in told if words not in said] == [], said


def whole(tidemill: Tidemill, shop: Shop) -> None:
    """Hold the warehouse and the CRM to the shop's truth."""
    target = Target(name="duckdb", kind="duckdb", path=tidemill.var / "warehouse.duckdb")
    snapshot = look(target, var=tidemill.var, shop=shop.directory)
    truth = expected(shop.directory, shop.day)
    assert_marts(snapshot, truth)
    assert_counts(snapshot, truth)
    assert_crm(snapshot, truth)


def errors(tidemill: Tidemill) -> dict[str, str]:
    """Return the newest run's errors, by step."""
    (run,) = tidemill.answer("status", "--limit", "1")["runs"]
    return {step["name"]: step["error"] for step in run["steps"] if step["status"] == "failed"}


def test_sources_that_are_away_or_refuse_us_lose_nothing(
    tidemill: Tidemill, shop: Shop, postgres_server: str, tmp_path: Path
) -> None:
    away = {
        "SOURCES__SHOP_API__BASE_URL": f"http://{NOWHERE}",
        "SOURCES__SHOP_DB__URL": f"postgresql+psycopg2://reader:hunter2@{NOWHERE}/shop",
        "SOURCES__EVENT_FILES__URL": str(tmp_path / "no-such-folder"),
        "SOURCES__PAYMENT_QUEUE__URL": f"redis://:hunter2@{NOWHERE}",
    }
    refused(tidemill(*DAILY, **away))
    told = errors(tidemill)
    assert f"'http://{NOWHERE}/users" in told["load shop_api"]
    assert "'shop_db'" in told["load shop_db"]
    assert "Connection refused" in told["load shop_db"]
    assert str(tmp_path / "no-such-folder") in told["load event_files"]
    assert "'payment_queue'" in told["load payment_queue"]

    with locked_redis(tmp_path / "locked") as port:
        refusing = {
            "SOURCES__SHOP_API__TOKEN": "hunter2",
            "SOURCES__SHOP_DB__URL": postgres_server.replace(
                "postgresql://postgres:", "postgresql+psycopg2://stranger:hunter2"
            ),
            "SOURCES__EVENT_FILES__URL": "",
            "SOURCES__PAYMENT_QUEUE__URL": f"redis://:hunter2@127.0.0.1:{port}",
        }
        refused(tidemill(*DAILY, **refusing))
    told = errors(tidemill)
    assert "HTTP 401: " in told["load shop_api"]
    assert "Check its token: SOURCES__SHOP_API__TOKEN" in told["load shop_api"]
    assert 'role "stranger" does not exist' in told["load shop_db"]
    assert "invalid username-password pair" in told["load payment_queue"]
    assert "`url` of a folder of files is empty" in told["load event_files"]

    tidemill.well("resume")
    whole(tidemill, shop)


@contextmanager
def locked_redis(folder: Path) -> Iterator[int]:
    """A Redis that wants a password; its port."""
    from redis import Redis

    process, port = start_redis(folder, 0)
    with Redis(port=port) as client:
        client.config_set("requirepass", "right")
    try:
        yield port
    finally:
        stop_redis(process)


@pytest.mark.parametrize("variable", ["SOURCES__SHOP_API__TOKEN", "SOURCES__SHOP_DB__URL"])
def test_a_missing_variable_is_named_with_every_place_looked_at(
    tidemill: Tidemill, variable: str
) -> None:
    source, setting = variable.lower().split("__")[1:]
    variables = {name: text for name, text in tidemill.variables.items() if name != variable}
    lacking = Tidemill(var=tidemill.var, variables=variables)
    refused(lacking("load", source), f"'{source}' lacks the setting {setting}", variable)


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        (None, ["No file", "profiles.yml", "TIDEMILL_HOME"]),
        ("tidemill: [unclosed", ["Cannot read", "profiles.yml", "line 1"]),
        ("other: {}", ["Cannot read", "profiles.yml", "`tidemill:`"]),
        (PROFILE.replace(PATH, "env_var('MINE')"), ["The variable MINE is not set"]),
        (PROFILE.replace(PATH, "env_var('MINE'"), ["Cannot read '{{ env_var('MINE'"]),
        (PROFILE.replace("path:", "pfad:"), ["The target 'duckdb'", "lacks 'path'"]),
        (PROFILE.replace("type: duckdb", "type: oracle"), ["'duckdb'", "of type 'oracle'"]),
    ],
)
def test_a_malformed_profile_is_one_sentence(
    bare: Tidemill, tmp_path: Path, profile: str | None, told: list[str]
) -> None:
    home = tmp_path / "home"
    (home / "profiles").mkdir(parents=True)
    if profile is not None:
        (home / "profiles" / "profiles.yml").write_text(profile)
    refused(bare("load", "shop_api", TIDEMILL_HOME=str(home)), *told)


@pytest.mark.parametrize(
    ("arguments", "variables", "told"),
    [
        (["load", "shopp"], {}, ["No source named 'shopp'", "shop_api"]),
        (["deliver", "crm"], {}, ["No output named 'crm'", "crm_users"]),
        (["run", "dayly"], {}, ["No job named 'dayly'", "daily"]),
        (["resume", "r1"], {}, ["No run 'r1'", "`tidemill runs`"]),
        (["status", "--target", "oracle"], {}, ["No target named 'oracle'", "duckdb, postgres"]),
        (
            ["load", "shop_api", "--target", "postgres"],
            {"TIDEMILL_POSTGRES_DSN": f"postgresql://somebody:hunter2@{NOWHERE}/warehouse"},
            [f"'postgresql://somebody@{NOWHERE}/warehouse'", "Connection refused"],
        ),
        (
            ["load", "shop_api", "--target", "postgres"],
            {"TIDEMILL_POSTGRES_DSN": f"mysql://somebody:hunter2@{NOWHERE}/warehouse"},
            ["TIDEMILL_POSTGRES_DSN", "postgresql://"],
        ),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    bare: Tidemill, arguments: list[str], variables: dict[str, str], told: list[str]
) -> None:
    refused(bare(*arguments, **variables), *told)


def test_a_port_in_use_is_named(bare: Tidemill) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        refused(bare("demo", "--port", port), f"127.0.0.1:{port}", "in use")


def test_a_file_where_the_state_should_be_is_named(bare: Tidemill, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = str(tmp_path / "file" / "var")
    refused(bare("load", "shop_api", TIDEMILL_VAR=place), place)
    refused(bare("demo", TIDEMILL_VAR=place), place)


def test_a_read_only_directory_is_named(tidemill: Tidemill, shop: Shop, tmp_path: Path) -> None:
    with mounted(tmp_path / "read-only", "ro") as place:
        refused(tidemill("load", "shop_api", TIDEMILL_VAR=str(place)), str(place), "ead-only")
        refused(tidemill("demo", TIDEMILL_VAR=str(place)), str(place), "ead-only")


@pytest.mark.parametrize(
    "room",
    [
        pytest.param("100k", marks=pytest.mark.slow),
        "1m",
        pytest.param("2m", marks=pytest.mark.slow),
    ],
)
def test_a_full_disk_is_told_and_nothing_is_lost(shop: Shop, tmp_path: Path, room: str) -> None:
    shop.advance()
    with mounted(tmp_path / "small", f"size={room}") as place:
        tidemill = Tidemill(var=place / "var", variables=shop.environment())
        refused(tidemill(*DAILY), str(place), "full")
        remount(place, "size=1g")
        tidemill.well(*DAILY)
        whole(tidemill, shop)


def test_a_warehouse_that_a_reader_holds_open_is_named(tidemill: Tidemill) -> None:
    tidemill.var.mkdir()
    path = tidemill.var / "warehouse.duckdb"
    with duckdb.connect(str(path)):
        refused(tidemill("load", "shop_api"), "another process", "published copy")
    tidemill.well("load", "shop_api")


@contextmanager
def mounted(place: Path, options: str) -> Iterator[Path]:
    """A small file system in memory; skips where this user may not mount one."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if os.getuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a file system here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    """Change a mounted file system."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)
