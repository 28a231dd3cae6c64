"""A real RabbitMQ, from Debian's package, with a node name, ports and folders of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from shutil import rmtree, which
from tempfile import mkdtemp
from typing import Self

from tests.ports import free_port

SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_SECONDS = 120


def is_installed() -> bool:
    """Tell whether Debian's rabbitmq-server is there."""
    return SCRIPT.exists() and which("erl") is not None


class RabbitMQ:
    """A server on loopback; `with` starts it, and ends it with all that it kept."""

    def __init__(self) -> None:
        self.folder = Path(mkdtemp(prefix="tidemill-rabbitmq-"))
        self.port, between, names = (free_port() for _ in range(3))
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"
        (self.folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\n")
        (self.folder / "plugins").write_text("[].\n")
        self.environment = {
            **os.environ,
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"tidemill{self.port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_DIST_PORT": str(between),
            "ERL_EPMD_PORT": str(names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.kill()
        program = [str(which("epmd")), "-kill"]
        subprocess.run(program, env=self.environment, check=False, capture_output=True)
        rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        with (self.folder / "out").open("a") as log:
            self.process = subprocess.Popen(
                [str(SCRIPT)], env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            assert self.process.poll() is None, self._log()
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.2)
            else:
                return
        raise AssertionError(self._log())

    def kill(self) -> None:
        """End it as a power cut does."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _log(self) -> str:
        return (self.folder / "out").read_text()
