"""A dbt or a source that hangs is ended by its step's timeout, and the warehouse is free again."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import psutil
import pytest

from loaders.warehouse import target
from orchestration.errors import StepTimedOut
from orchestration.steps import KINDS
from orchestration.workers import Workers
from tests.integration.orchestration.conftest import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestration.settings import Settings
    from orchestration.steps import Request

pytestmark = pytest.mark.slow

ENDLESS = (
    "select sum(hash(a.range + b.range)) as id from range(10000000) as a, range(10000000) as b"
)


def at_work(workers: Workers) -> set[int]:
    """Return the processes below the warm ones, without those that have ended."""
    warm = [psutil.Process(each.process.pid) for each in workers._warm.values()]
    below = [child for process in warm for child in process.children(recursive=True)]
    return {child.pid for child in below if child.status() != psutil.STATUS_ZOMBIE}


def is_ended_by_its_timeout(workers: Workers, request: Request, seconds: float) -> None:
    """Run a step that hangs; nothing of it may be left, and the warehouse may be written to."""
    before = at_work(workers)  # a helper of Python's own that the warm process keeps
    with pytest.raises(StepTimedOut, match=f"it took longer than {seconds:.0f} s"):
        workers.execute(request, timeout=seconds, stop=threading.Event(), emit=lambda _: None)
    assert at_work(workers) <= before
    with target("duckdb").exclusive(timeout=1), target("duckdb").connect() as connection:
        assert connection.scalar("select 1") == 1


def test_a_hung_dbt(dbt_workers: Workers, request_of: Callable[..., Request], home: Path) -> None:
    model = home / "dbt_project" / "models" / "numbers.sql"
    assert built(dbt_workers, request_of("transform", run_id="before")) == 3
    model.write_text(ENDLESS)
    is_ended_by_its_timeout(dbt_workers, request_of("transform", run_id="hung"), 15)
    model.write_text(NUMBERS)
    assert built(dbt_workers, request_of("transform", run_id="after")) == 3


def built(workers: Workers, request: Request) -> int:
    outcome = workers.execute(request, timeout=60, stop=threading.Event(), emit=lambda _: None)
    return int(outcome.detail["built"])


def test_a_hung_source(
    request_of: Callable[..., Request], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it is connected to, and never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("SOURCES__SHOP_API__BASE_URL", url)
        monkeypatch.setenv("SOURCES__SHOP_API__TOKEN", "any")
        workers = Workers(KINDS, settings.logs / "workers.log")
        try:
            is_ended_by_its_timeout(workers, request_of("load", "shop_api"), 12)
        finally:
            workers.close()
