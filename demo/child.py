"""The shop's serving process: Redis and the API, until its parent says so or is gone."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from demo.errors import ShopError
from demo.redis_server import port_in_use, start_redis, stop_redis

if TYPE_CHECKING:
    import subprocess

    import uvicorn

RUNNING = "running.json"
WATCH_SECONDS = 0.25


def main() -> None:
    """Serve a shop; the first line of the output tells its ports or what is wrong."""
    options = _options()
    lock = FileLock(options.directory / ".serving.lock")
    try:
        lock.acquire(timeout=0)
        listener = _listen(options.api_port)
        redis, redis_port = start_redis(options.directory / "redis", options.redis_port)
    except (ShopError, Timeout) as error:
        _say({"error": _sentence(error, options.directory)})
        sys.exit(1)
    ports = {"api_port": listener.getsockname()[1], "redis_port": redis_port}
    try:
        _serve(options, listener, ports)
    finally:
        (options.directory / RUNNING).unlink(missing_ok=True)
        stop_redis(redis)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo.child")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--api-port", type=int, default=0)
    parser.add_argument("--redis-port", type=int, default=0)
    parser.add_argument("--parent", type=int, required=True)
    return parser.parse_args()


def _sentence(error: Exception, directory: Path) -> str:
    if isinstance(error, Timeout):
        return (
            f"The shop in '{directory}' is already open in another process. "
            "Stop that one, or choose another directory."
        )
    return str(error)


def _say(fields: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise port_in_use(port, "API") from error
    return listener


def _serve(options: argparse.Namespace, listener: socket.socket, ports: dict[str, object]) -> None:
    import uvicorn

    from demo.api.app import create_app

    config = uvicorn.Config(
        create_app(options.directory),
        access_log=False,
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=2,
    )
    asyncio.run(_run(uvicorn.Server(config), listener, options, ports))


async def _run(
    server: uvicorn.Server,
    listener: socket.socket,
    options: argparse.Namespace,
    ports: dict[str, object],
) -> None:
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    fields = {"process": os.getpid(), **ports}
    (options.directory / RUNNING).write_text(json.dumps(fields), encoding="utf-8")
    _say(fields)
    watching = asyncio.create_task(_watch(server, options.parent))
    await serving
    watching.cancel()


async def _watch(server: uvicorn.Server, parent: int) -> None:
    """Stop the server when the parent closed our input, or died while others hold it open."""
    closed = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), closed.set)
    while os.getppid() == parent and not closed.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(closed.wait(), WATCH_SECONDS)
    server.should_exit = True


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main()
