"""A Redis of today, from Debian's package, that can be stopped and started again."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from shutil import which
from typing import TYPE_CHECKING, Any, Self

import redis

from tests.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

START_SECONDS = 60


def is_installed() -> bool:
    """Tell whether there is a Redis of version 7 or later."""
    if not (program := which("redis-server")):
        return False
    told = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    return int(told.stdout.partition("v=")[2].partition(".")[0]) >= 7


class Redis7:
    """A server that keeps its stream on disk; `with` starts and stops it."""

    def __init__(self, folder: Path, *options: str, **client: Any) -> None:
        self.port = free_port()
        plain = () if "--tls-port" in options else ("--port", str(self.port))
        options = tuple(str(self.port) if option == "PORT" else option for option in options)
        kept = ("--dir", str(folder), "--appendonly", "yes", "--save", "", "--bind", "127.0.0.1")
        self.command = [str(which("redis-server")), *plain, *kept, *options]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        place = {"host": "127.0.0.1", "port": self.port}
        self.client = redis.Redis(**place, decode_responses=True, **client)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.stop()

    def start(self) -> None:
        """Start, and wait until it answers."""
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            with suppress(redis.ConnectionError, redis.exceptions.BusyLoadingError):
                self.client.ping()
                return
            time.sleep(0.05)
        self.stop()
        raise AssertionError(f"Redis does not start: {self.command}")

    def stop(self) -> None:
        """End it in good order."""
        self.process.terminate()
        self.process.wait(60)

    def restart(self) -> None:
        """End it as a power cut does, and start it again."""
        self.process.kill()
        self.process.wait()
        self.start()
