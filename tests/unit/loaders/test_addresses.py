"""An address that is stored, shown or refused gives no secret away."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.exc import ArgumentError

from loaders.addresses import is_here, shown_url
from loaders.errors import SettingMissing
from loaders.explain import explain


@pytest.mark.parametrize(
    ("url", "is_ours"),
    [
        ("http://127.0.0.1:8080/users", True),
        ("http://127.1.2.3", True),
        ("https://us:hush@localhost/", True),
        ("http://[::1]:8080/", True),
        ("http://127.0.0.1.example/", False),
        ("http://localhost.example/", False),
        ("https://api.example/127.0.0.1", False),
        ("/rows", False),
    ],
)
def test_this_machine_is_known_by_its_loopback(url: str, *, is_ours: bool) -> None:
    assert is_here(url) == is_ours


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://api.example/users?page=2&page_size=50", "same"),
        ("https://ann:hush@api.example:8443/users", "https://api.example:8443/users"),
        ("https://api.example/u?api_key=hush&page=2", "https://api.example/u?api_key=***&page=2"),
        ("https://api.example/u?X-Amz-Signature=hush", "https://api.example/u?X-Amz-Signature=***"),
        ("https://api.example/u?access_token=hush", "https://api.example/u?access_token=***"),
        ("https://api.example/u?code=hush", "https://api.example/u?code=***"),
        ("https://api.example/u?country_code=DE", "same"),
        ("https://api.example/u?since=2026-01-01T00:00:00Z", "same"),
        ("https://api.example/u?cursor=", "same"),
        ("https://api.example/u#hush", "https://api.example/u"),
    ],
)
def test_secrets_are_left_out(url: str, shown: str) -> None:
    assert shown_url(url) == (url if shown == "same" else shown)


def to_database(url: str) -> object:
    from loaders.readers.database_link import Link

    return Link(url)


def to_redis(url: str) -> object:
    from loaders.readers.redis_stream import RedisStream

    return RedisStream(url, "payments", "tidemill")


def to_amqp(url: str) -> object:
    from loaders.readers.amqp import AmqpQueue

    return AmqpQueue(url, "payments")


@pytest.mark.parametrize(
    ("read", "url"),
    [
        (to_database, "postgresql//ann:hush@localhost/shop"),
        (to_database, "postgresql://ann:hush@localhost:port/shop"),
        (to_database, "postgresql://ann:hu/sh@localhost:port/shop"),
        (to_redis, "hush"),
        (to_redis, "redis://:hush/1@localhost:6379/0"),
        (to_amqp, "hush"),
        (to_amqp, "amqp://ann:hush#1@localhost/"),
    ],
)
def test_an_address_that_cannot_be_read_is_told_and_not_repeated(read: Any, url: str) -> None:
    with pytest.raises((SettingMissing, ArgumentError)) as told:
        read(url)
    assert isinstance(explain(told.value, "shop"), SettingMissing)
    assert "hu" not in str(explain(told.value, "shop"))


def test_a_driver_that_is_not_installed_is_named() -> None:
    with pytest.raises(SettingMissing, match="asks for the driver 'oracledb', which is not"):
        to_database("oracle://ann:hush@localhost/shop")
