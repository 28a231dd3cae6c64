"""A profile's target: where the warehouse is, how to connect to it, and who may write."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from loaders import server_lock
from loaders.connection import Connection, connect_duckdb, connect_postgres, shown, writable
from loaders.errors import SettingMissing, WarehouseBusy
from loaders.profile import output, profiles_path, root, var

if TYPE_CHECKING:
    from collections.abc import Iterator

DUCKDB_HEADERS = 3 * 4096
"""Bytes of an empty DuckDB file."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One output of profiles.yml, ready to be connected to."""

    name: str
    """The output's name, as in `dbt --target`."""
    kind: str
    """`duckdb` or `postgres`."""
    path: Path | None = None
    """DuckDB: the database file, absolute."""
    dsn: str | None = field(default=None, repr=False)
    """PostgreSQL: a URL with user and password. Never shown."""

    @property
    def place(self) -> str:
        """Where the warehouse is, fit to be shown: a path, or a URL without its password."""
        if self.path:
            return str(self.path)
        return shown(self.dsn or "")

    def connect(self) -> Connection:
        """Open a small SQL connection; the caller closes it (or uses it as a context manager).

        Raises:
            WarehouseBusy: another process holds the DuckDB file.
            WarehouseFailed: the file or the server cannot be reached.
        """
        return connect_duckdb(self.path) if self.path else connect_postgres(self.dsn or "")

    @contextmanager
    def held_open(self) -> Iterator[None]:
        """Keep a DuckDB file open, so that opening it once more costs next to nothing.

        Raises:
            WarehouseBusy, WarehouseFailed: as `connect`.
        """
        with self.connect() if self.path else nullcontext():
            yield

    @contextmanager
    def exclusive(self, timeout: float = 60.0) -> Iterator[None]:
        """Hold the right to write to this warehouse; one process at a time.

        A lock file keeps the others of this machine away, and on PostgreSQL an advisory lock
        those of other machines.

        Args:
            timeout: seconds to wait for another writer to finish.

        Raises:
            WarehouseBusy: the other writer did not finish in time.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(lock_path(self), thread_local=False, is_singleton=True)
        with ExitStack() as stack:
            try:
                with writable(lock_path(self).parent):
                    lock.acquire(timeout=timeout)
                stack.callback(lock.release)
                if self.dsn and lock.lock_counter == 1:
                    stack.enter_context(server_lock.held(self.dsn, timeout))
            except (Timeout, TimeoutError) as error:
                raise WarehouseBusy(
                    f"Cannot write to the warehouse '{self.place}': another run or loader has been "
                    f"writing to it for {timeout:.0f} s. Wait for it to end, or look at "
                    "`tidemill status`."
                ) from error
            _discard_unborn(self.path)
            yield


def _discard_unborn(path: Path | None) -> None:
    """Delete a DuckDB file whose making was cut short: it holds nothing and cannot be opened."""
    if path is None or not path.is_file() or path.stat().st_size >= DUCKDB_HEADERS:
        return
    if path.read_bytes()[8:12] in (b"", b"DUCK"):
        path.unlink()


def target(name: str | None = None) -> Target:
    """Read a target from profiles/profiles.yml, which dbt reads as well.

    Args:
        name: an output's name; without one, TIDEMILL_TARGET, or the profile's default.

    Raises:
        SettingMissing: no such file, profile, output or variable.
    """
    chosen, facts = output(name)
    try:
        return _target(chosen, facts)
    except KeyError as error:
        raise SettingMissing(
            f"The target '{chosen}' in {profiles_path()} lacks {error}. Add it, as dbt wants it."
        ) from None


def lock_path(target: Target) -> Path:
    """Return the file that a writer of this warehouse locks."""
    if target.path:
        return target.path.with_name(target.path.name + ".lock")
    return var() / f"{target.name}.lock"


def published_path(target: Target) -> Path:
    """Return the DuckDB file that readers open: the last good state of the marts."""
    override = os.environ.get("TIDEMILL_PUBLISHED_PATH")
    return Path(override) if override else (target.path or var()).parent / "published.duckdb"


def _target(name: str, facts: dict[str, Any]) -> Target:
    kind = str(facts.get("type"))
    if kind == "duckdb":
        path = (root() / "dbt_project" / str(facts["path"])).resolve()
        return Target(name=name, kind=kind, path=path)
    if kind == "postgres":
        user, password, host = (quote(str(facts[key]), safe="") for key in _CREDENTIALS)
        credentials = f"{user}:{password}" if password else user
        dsn = f"postgresql://{credentials}@{host}:{facts['port']}/{quote(facts['dbname'])}"
        return Target(name=name, kind=kind, dsn=dsn)
    raise SettingMissing(
        f"The target '{name}' in {profiles_path()} is of type '{kind}'. Loaders know duckdb and "
        "postgres."
    )


_CREDENTIALS = ("user", "password", "host")
