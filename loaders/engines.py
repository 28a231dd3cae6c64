"""DuckDBs in memory in which rows are judged, handed on from one table of a load to the next.

To open one takes longer than to judge a small table in it. Two tables that are read at a time have
one each, so that neither has the other's bound of memory.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import duckdb

from loaders.columns import literal
from loaders.raw_client import current_pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator


class Engines:
    """The engines of one load: those that are idle, and where all of them spill."""

    def __init__(self) -> None:
        self._idle: list[duckdb.DuckDBPyConnection] = []
        self._folders: list[Path] = []

    @contextmanager
    def one(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a connection to an engine that nobody else uses.

        Temporary tables and views made there are gone with it; rows are in no order.
        """
        engine = self._idle.pop() if self._idle else self._open()
        connection = engine.cursor()
        try:
            yield connection.execute("set TimeZone = 'UTC'")
        finally:
            connection.close()
            self._idle.append(engine)

    def close(self) -> None:
        """End the engines, and delete what they spilled."""
        while self._idle:
            self._idle.pop().close()
        while self._folders:
            shutil.rmtree(self._folders.pop(), ignore_errors=True)

    def _open(self) -> duckdb.DuckDBPyConnection:
        folder = Path(mkdtemp(dir=current_pipeline().working_dir))
        self._folders.append(folder)
        return duckdb.connect().execute(
            f"set temp_directory = {literal(str(folder))}; set preserve_insertion_order = false"
        )
