"""Load a stream in a process of its own that dies at a chosen moment, as by kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

STAGES = ("receive", "normalize", "commit", "marker", "acknowledge")


def load_and_die(target: Any, url: str, stage: str) -> int:
    """Start the process and return what it ended with."""
    words = [target.kind, str(target.path or target.dsn), url, stage]
    command = [sys.executable, "-W", "ignore", __file__, *words]
    root = Path(__file__).parents[3]
    return subprocess.run(command, check=False, cwd=root, timeout=120).returncode


def _die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _second(call: Any) -> Any:
    """Let a call happen twice, then die."""
    times: list[int] = []

    def counted(*arguments: Any) -> Any:
        times.append(1)
        return call(*arguments) if len(times) < 3 else _die()

    return counted


def _after(call: Any) -> Any:
    def followed(*arguments: Any) -> None:
        call(*arguments)
        _die()

    return followed


def _arm(stage: str) -> None:
    from dlt.destinations.job_client_impl import SqlJobClientBase
    from dlt.normalize.normalize import Normalize

    from loaders.readers.redis_stream import RedisStream

    if stage == "receive":
        RedisStream.receive = _second(RedisStream.receive)  # type: ignore[method-assign]
    elif stage == "normalize":
        Normalize.run = _die  # type: ignore[method-assign,assignment]
    elif stage == "commit":
        SqlJobClientBase.complete_load = _die  # type: ignore[method-assign]
    elif stage == "marker":
        SqlJobClientBase.complete_load = _after(SqlJobClientBase.complete_load)  # type: ignore[method-assign]
    else:
        RedisStream.acknowledge = _die  # type: ignore[method-assign,assignment]


def main() -> None:
    """Load the stream `payments` as the words say."""
    sys.path.insert(0, str(Path.cwd()))
    kind, place, url, stage = sys.argv[1:]
    from loaders.load import load
    from loaders.sources.payment_queue import payment_queue
    from loaders.warehouse import Target

    make = partial(Target, name=kind, kind=kind)
    target = make(path=Path(place)) if kind == "duckdb" else make(dsn=place)
    _arm(stage)
    load(payment_queue(url, batch_size=40), target=target)


if __name__ == "__main__":
    main()
