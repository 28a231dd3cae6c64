"""A folder of files for the tests to fill, and a source that reads it."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import dlt

from loaders.columns import columns
from loaders.load import LoadResult, load
from loaders.readers.files import CsvOptions, files

if TYPE_CHECKING:
    from pathlib import Path

    from dlt.extract import DltSource

    from loaders.warehouse import Target

SALES = columns(id="bigint", name="text", amount="decimal(18, 2)", sold_at="timestamp")
HEADER = "id,name,amount,sold_at\n"
ROW = "{},Ann,1.50,2026-01-31T23:59:59Z\n"


def rows(*ids: int) -> str:
    """Return a CSV file of good rows."""
    return HEADER + "".join(ROW.format(number) for number in ids)


def sales_source(folder: str, **options: Any) -> DltSource:
    """A source of one table `sales`; options as of `files`."""

    @dlt.source(name="drop")
    def drop() -> Any:
        return files("sales", folder, columns=options.pop("columns", SALES), **options)

    return drop()


class DropFolder:
    """Files of sales, loaded into one warehouse."""

    def __init__(self, path: Path, target: Target) -> None:
        self.path = path
        self.target = target
        path.mkdir()

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a file, gzipped where its name ends so."""
        file = self.path / name
        content = text.encode() if isinstance(text, str) else text
        file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return file

    def load(self, **options: Any) -> LoadResult:
        """Load what is new."""
        return load(sales_source(str(self.path), **options), target=self.target)

    def load_from(self, url: str) -> LoadResult:
        """Load from another place."""
        return load(sales_source(url), target=self.target)

    def counts(self, **options: Any) -> tuple[int, int, int]:
        """Load what is new; return read, loaded, rejected."""
        tables = self.load(**options).tables
        return (
            sum(table.read for table in tables),
            sum(table.loaded for table in tables),
            sum(table.rejected for table in tables),
        )

    def rows(self, select: str = "id, name, amount", table: str = "sales") -> list[tuple[Any, ...]]:
        """Return rows of the raw table of committed loads, in their order."""
        with self.target.connect() as connection:
            return connection.execute(
                f'select {select} from raw_drop."{table}" where _dlt_load_id in '
                "(select load_id from raw_drop._dlt_loads where status = 0) order by 1, 2"
            ).fetchall()

    def rejects(self) -> list[tuple[Any, ...]]:
        """Return origin, position, reason and payload of what was rejected."""
        return self.rows("origin, position, reason, payload", "_rejects")


__all__ = ["CsvOptions", "DropFolder", "sales_source"]
