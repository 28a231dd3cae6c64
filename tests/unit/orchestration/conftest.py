"""A ledger in a temporary folder, settings, a driven clock, and an executor of functions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from loaders.warehouse import Target
from orchestration.clock import Clock
from orchestration.ledger import Ledger
from orchestration.settings import Settings

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orchestration.outcome import Outcome
    from orchestration.steps import Request


class DrivenClock(Clock):
    """Stands still until it is told to move; waiting moves it."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)
        self.waits: list[float] = []

    def now(self) -> datetime:
        """Tell the driven time."""
        return self.time

    def monotonic(self) -> float:
        """Tell the driven time in seconds."""
        return self.time.timestamp()

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Note how long, and move on at once."""
        self.waits.append(seconds)
        self.time += timedelta(seconds=seconds)
        return stop.is_set()


class Functions:
    """Does steps by calling the function of the step's name, in this process."""

    def __init__(self, **functions: Callable[[Request], Outcome]) -> None:
        self.functions = {name.replace("_", " ", 1): call for name, call in functions.items()}
        self.calls: list[str] = []

    def warm(self, kinds: set[str]) -> None:
        """Functions are always ready."""

    def execute(
        self, request: Request, *, timeout: float, stop: threading.Event, emit: Any
    ) -> Outcome:
        """Call the function of the step's name."""
        del timeout, stop, emit
        self.calls.append(request.step)
        return self.functions[request.step](request)


@pytest.fixture
def clock() -> DrivenClock:
    return DrivenClock()


@pytest.fixture
def functions() -> type[Functions]:
    return Functions


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    target = Target(name="duckdb", kind="duckdb", path=tmp_path / "warehouse.duckdb")
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    return Settings(home=tmp_path, var=tmp_path, target=target, ledger_url=url)


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    opened = Ledger.open(settings.ledger_url)
    yield opened
    opened.close()
