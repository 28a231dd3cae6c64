"""What readers see: the published copy, reopened when a new one takes its place; or PostgreSQL."""

from __future__ import annotations

import shutil
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loaders import swap
from loaders.connection import Connection
from loaders.warehouse import published_path
from orchestration.errors import OrchestrationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loaders.warehouse import Target

SCHEMA: Final = "marts"
ENGINES: Final = {"duckdb", "_duckdb", "psycopg2", "adbc_driver_manager"}
MEMORY: Final = "256MB"
"""What DuckDB may use in the service, exports included; beyond it, it writes aside."""


class NotPublished(OrchestrationError):
    """No run has published marts yet, or they cannot be read."""

    retryable = True


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Turn what the engine says of a table into one clear sentence.

    Raises:
        NotPublished: the table is not there, or not as its yml has it.
    """
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ENGINES:
            raise
        reason = str(error).partition("\n")[0]
        raise NotPublished(
            f"Cannot read '{what}': {reason}. A run publishes it as its yml has it; then ask again."
        ) from error


class Published:
    """Connections to the marts, for reading only."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.folder = Path(tempfile.mkdtemp(prefix="tidemill-service-"))
        """For pipes of exports, and what DuckDB writes aside."""
        self._lock = threading.Lock()
        self._engine: Any = None
        self._opened: str | None = None

    @property
    def schema(self) -> str:
        """The schema of the marts, as readers see them."""
        return SCHEMA if self.target.kind == "duckdb" else swap.PUBLISHED

    def version(self) -> str | None:
        """Return what changes when new data is published; None where nothing tells.

        Raises:
            NotPublished: there is nothing to read yet.
        """
        if self.target.kind != "duckdb":
            return None
        try:
            facts = published_path(self.target).stat()
        except OSError as error:
            raise NotPublished(
                "Nothing has been published yet. `tidemill run daily` does it; then ask again."
            ) from error
        return f"{facts.st_ino:x}-{facts.st_mtime_ns:x}"

    def connect(self) -> Connection:
        """Return a connection to the newest published state; the caller closes it.

        Raises:
            NotPublished: there is nothing to read, or it cannot be read.
        """
        if self.target.kind != "duckdb":
            connection = self.target.connect()
            connection.raw.set_session(readonly=True, autocommit=True)
            connection.execute(f"set search_path to {swap.PUBLISHED}")
            return connection
        return Connection("duckdb", self.cursor())

    def cursor(self) -> Any:
        """Return a DuckDB cursor on the newest published file."""
        with self._lock:
            while self._engine is None or self._opened != self.version():
                version = self.version()
                self._engine = self._open()
                self._opened = version
            cursor = self._engine.cursor()
        with readable(SCHEMA):
            cursor.execute(f"use published.{SCHEMA}")
        return cursor

    def _open(self) -> Any:
        """Open the file in an engine of its own: requests under way keep the one before."""
        import duckdb

        place = str(published_path(self.target)).replace("'", "''")
        engine = duckdb.connect(config={"memory_limit": MEMORY, "threads": 2})
        try:
            engine.execute(f"attach '{place}' as published (read_only)")
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise NotPublished(f"Cannot read the published marts: {reason}.") from error
        engine.execute(f"set temp_directory = '{self.folder}'")
        engine.execute(f"set allowed_directories = ['{self.folder}/']")
        engine.execute("set enable_external_access = false; set TimeZone = 'UTC'")
        engine.execute("set lock_configuration = true")
        return engine

    def close(self) -> None:
        """Give the file free."""
        with self._lock:
            self._engine = self._opened = None
        shutil.rmtree(self.folder, ignore_errors=True)
