"""Servers of their own for the service's integration tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.orchestration.service.running import Server
from tests.unit.orchestration.conftest import clock, settings
from tests.unit.orchestration.service.conftest import client_of, home, opened, publisher, service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["client_of", "clock", "home", "opened", "publisher", "service", "settings"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that has just been started, over an empty state directory."""
    started = Server(tmp_path / "var")
    started.start()
    yield started
    started.close()
