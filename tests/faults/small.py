"""A small file system, and a PostgreSQL that keeps its tables there."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg2

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Small:
    """A file system of its own, which can be filled."""

    folder: Path

    def fill(self) -> None:
        """Leave no room."""
        with (self.folder / "filler").open("wb") as file:
            while True:
                try:
                    file.write(b"\0" * 2**16)
                    file.flush()
                except OSError:
                    break

    def free(self) -> None:
        """Give the room back."""
        (self.folder / "filler").unlink()

    def take(self, server: str, database: str) -> None:
        """Have a database keep its tables here; the server's own files and its log stay."""
        self.folder.chmod(0o755)
        shutil.chown(self.folder, "pgserver")
        with closing(psycopg2.connect(server)) as admin:
            admin.autocommit = True
            admin.cursor().execute(f"create tablespace small location '{self.folder}'")
            admin.cursor().execute(f"alter database {database} set tablespace small")
