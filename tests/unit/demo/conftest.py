"""Shops that the tests share: small, made once, and copied where a test would change them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from demo.shop import Shop

if TYPE_CHECKING:
    from pathlib import Path

SCALE = 0.1


@pytest.fixture(scope="session")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed shop after its first day."""
    directory = tmp_path_factory.mktemp("shops") / "first"
    Shop(directory, scale=SCALE).advance()
    return directory


@pytest.fixture(scope="session")
def third_day(first_day: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed shop after its third day."""
    directory = tmp_path_factory.mktemp("shops") / "third"
    shutil.copytree(first_day, directory)
    shop = Shop(directory, scale=SCALE)
    assert [shop.advance(), shop.advance()] == [2, 3]
    return directory
