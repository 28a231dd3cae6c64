"""A real server in a process of its own, and what is needed around it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import httpx

from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PATIENCE = 180.0


class Server:
    """`tidemill serve` on a port of its own; can be killed and started again."""

    def __init__(self, var: Path, environment: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.var = var
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TIDEMILL_", "SOURCES__", "OUTPUTS__"))
        }
        self.environment = {**kept, "TIDEMILL_VAR": str(var), **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start, and wait until it answers."""
        command = [
            sys.executable,
            "-m",
            "orchestration",
            "serve",
            "--port",
            str(self.port),
            "--no-scheduler",
            *options,
        ]
        self.var.mkdir(parents=True, exist_ok=True)
        with (self.var / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/healthz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError((self.var / "serve.log").read_text())

    def kill(self) -> None:
        """End it as a power cut does."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """End it in good order; return its exit code."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """Make sure that it is gone."""
        if self.process and self.process.poll() is None:
            self.kill()
