"""A real RabbitMQ, from Debian's package, with a node name, ports and folders of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree, which
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_SECONDS = 120


def is_installed() -> bool:
    """Tell whether Debian's rabbitmq-server is there."""
    return SCRIPT.exists() and which("erl") is not None


@contextmanager
def rabbitmq() -> Iterator[str]:
    """Start a server on loopback; give its address."""
    folder = Path(mkdtemp(prefix="tidemill-rabbitmq-"))
    port, between, names = (free_port() for _ in range(3))
    (folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{port}\n")
    (folder / "plugins").write_text("[].\n")
    environment = {
        **os.environ,
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"tidemill{port}@localhost",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_DIST_PORT": str(between),
        "ERL_EPMD_PORT": str(names),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
    }
    log = (folder / "out").open("w")
    server = subprocess.Popen([str(SCRIPT)], env=environment, stdout=log, stderr=log)
    try:
        _wait(port, server, folder)
        yield f"amqp://guest:guest@127.0.0.1:{port}/%2F"
    finally:
        server.terminate()
        server.wait(60)
        log.close()
        subprocess.run(
            [str(which("epmd")), "-kill"], env=environment, check=False, capture_output=True
        )
        rmtree(folder, ignore_errors=True)


def _wait(port: int, server: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        assert server.poll() is None, (folder / "out").read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError((folder / "out").read_text())
