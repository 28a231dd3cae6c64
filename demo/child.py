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
from demo.serving import LOCK, RUNNING

if TYPE_CHECKING:
    import uvicorn

WATCH_SECONDS = 0.25


def main() -> None:
    """Serve a shop; the first line of the output tells its ports or what is wrong."""
    options = _options()
    lock = FileLock(options.directory / LOCK)
    try:
        lock.acquire(timeout=0)
        listener = None if options.queue_only else _listen(options.api_port)
        redis, redis_port = start_redis(options.directory / "redis", options.redis_port)
    except (ShopError, OSError, Timeout) as error:
        _say({"error": _sentence(error, options.directory)})
        sys.exit(1)
    try:
        asyncio.run(_serve(options, listener, redis_port))
    finally:
        (options.directory / RUNNING).unlink(missing_ok=True)
        stop_redis(redis)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo.child")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--api-port", type=int, required=True)
    parser.add_argument("--redis-port", type=int, required=True)
    parser.add_argument("--queue-only", action="store_true")
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
    """Listen at once, so that a client may come before the server accepts."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise port_in_use(port, "API") from error
    return listener


async def _serve(
    options: argparse.Namespace, listener: socket.socket | None, redis_port: int
) -> None:
    server = _server(options.directory) if listener else None
    api_port = listener.getsockname()[1] if listener else 0
    ports = {"api_port": api_port, "redis_port": redis_port}
    (options.directory / RUNNING).write_text(json.dumps(ports), encoding="utf-8")
    _say(ports)
    watching = asyncio.create_task(_watch(options.parent, server))
    if server:
        await server.serve(sockets=[listener])
    else:
        await watching


def _server(directory: Path) -> uvicorn.Server:
    import uvicorn

    from demo.api.app import create_app

    config = uvicorn.Config(
        create_app(directory),
        access_log=False,
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)


async def _watch(parent: int, server: uvicorn.Server | None) -> None:
    """End with the parent: it closed our input, or died while others still hold it open."""
    closed = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), closed.set)
    while os.getppid() == parent and not closed.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(closed.wait(), WATCH_SECONDS)
    if server:
        server.should_exit = True


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    main()
