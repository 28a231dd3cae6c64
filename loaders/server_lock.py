"""The right to write to a PostgreSQL warehouse, among all machines that reach it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from loaders.connection import connect_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY: Final = 7_428_302
"""Of the advisory lock; each database has its own."""
LOOK: Final = 0.1
"""Seconds between two looks."""
SILENCE: Final = {
    "tcp_keepalives_idle": 30,
    "tcp_keepalives_interval": 10,
    "tcp_keepalives_count": 3,
}
"""After about a minute without a sign the server gives a vanished machine's lock to the next."""


@contextmanager
def held(dsn: str, timeout: float) -> Iterator[None]:
    """Hold the lock in a connection of its own: whoever dies gives it free.

    Raises:
        TimeoutError: another machine held it for so many seconds.
        WarehouseFailed: the server cannot be reached.
    """
    with connect_postgres(dsn) as connection:
        for name, value in SILENCE.items():
            connection.execute(f"set {name} = {value}")
        deadline = time.monotonic() + timeout
        while not connection.scalar("select pg_try_advisory_lock(?)", [KEY]):
            if time.monotonic() >= deadline:
                raise TimeoutError
            time.sleep(LOOK)
        yield
