"""A database's address is read part by part, and shown without its password."""

from __future__ import annotations

import pytest

from loaders.errors import LoaderError
from loaders.senders.databases import far_database
from loaders.senders.databases.address import parsed


def test_all_parts_are_read() -> None:
    address = parsed("mysql+pymysql://me:p%40ss@db.example:3307/sales?charset=utf8mb4")
    assert (address.kind, address.user, address.password) == ("mysql", "me", "p@ss")
    assert (address.host, address.port, address.database) == ("db.example", 3307, "sales")
    assert address.options == {"charset": "utf8mb4"}
    assert address.shown == "mysql://me@db.example:3307/sales"
    assert "p@ss" not in repr(address)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:p%40ss@db.example:5432/sales?sslmode=require",
        "postgresql:///sales?host=%2Ftmp%2Fsocket",
        "postgresql://[::1]:5432/sales",
    ],
)
def test_the_whole_address_comes_back(url: str) -> None:
    assert parsed(url).whole == url


def test_a_file_is_relative_or_absolute() -> None:
    assert parsed("sqlite:///var/far.sqlite").database == "var/far.sqlite"
    assert parsed("sqlite:////var/far.sqlite").database == "/var/far.sqlite"


@pytest.mark.parametrize("url", ["", "nonsense", "postgresql://host:port/db"])
def test_what_is_no_address_is_told(url: str) -> None:
    with pytest.raises(LoaderError, match="is no database URL"):
        parsed(url)


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(LoaderError, match=r"of kind 'oracle'. Known kinds: mariadb, mysql"):
        far_database("oracle://host/db")
