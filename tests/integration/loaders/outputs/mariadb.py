"""A real MariaDB, from Debian's package, on a port of its own."""

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
from uuid import uuid4

from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def mariadb(*options: str) -> Iterator[str]:
    """Start a server; give its address, without a database."""
    folder = Path(mkdtemp(prefix="tidemill-mariadb-"))
    port = free_port()
    user = ["--user=root"] if os.getuid() == 0 else []
    common = ["--no-defaults", f"--datadir={folder / 'data'}", *user]
    subprocess.run(
        [str(which("mariadb-install-db")), *common, "--auth-root-authentication-method=normal"],
        check=True,
        capture_output=True,
    )
    log = (folder / "log").open("w")
    server = subprocess.Popen(
        [
            str(which("mariadbd")),
            *common,
            f"--port={port}",
            f"--socket={folder / 's'}",
            "--bind-address=127.0.0.1",
            "--innodb-flush-log-at-trx-commit=2",
            *options,
        ],
        stdout=subprocess.DEVNULL,
        stderr=log,
    )
    log.close()
    try:
        wait_for(port, server)
        yield f"mysql+pymysql://root@127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(120)
        rmtree(folder, ignore_errors=True)


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait until it takes connections."""
    for _ in range(1200):
        assert server.poll() is None, "MariaDB ended at once"
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("MariaDB does not start")


def fresh_database(server_url: str) -> str:
    """Make a database; return its address."""
    import pymysql

    name = f"test_{uuid4().hex[:12]}"
    port = int(server_url.rsplit(":", 1)[1].strip("/"))
    with pymysql.connect(host="127.0.0.1", port=port, user="root") as connection:
        connection.cursor().execute(f"create database {name} character set utf8mb4")
    return f"{server_url}{name}"
