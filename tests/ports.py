"""Ports on loopback for servers that cannot be handed a socket."""

from __future__ import annotations

import os
import random
import socket

LOWEST, HIGHEST = 20_000, 28_000
"""Below the ports that systems deal out by themselves, so that nobody is dealt one of these."""
GIVEN: set[int] = set()


def free_port() -> int:
    """Return a port that nobody listens on, no one twice; those side by side get different ones."""
    step = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    first = LOWEST + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    wanted = [port for port in range(first, HIGHEST, step) if port not in GIVEN]
    for port in random.SystemRandom().sample(wanted, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        GIVEN.add(port)
        return port
    raise AssertionError(f"No free port between {LOWEST} and {HIGHEST}.")
