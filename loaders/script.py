"""Run one source by itself: `python -m loaders.sources.<name>`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from loaders.errors import LoaderError, TableStopped
from loaders.load import load
from loaders.warehouse import target

if TYPE_CHECKING:
    from dlt.extract import DltSource

    from loaders.load import LoadResult


def main(source: str | DltSource) -> None:
    """Load a source into the profile's warehouse, tell what came of it, and end the process.

    Args:
        source: one of SOURCES, or a dlt source of your own.
    """
    try:
        result = load(source, target=target())
    except TableStopped as error:
        if error.result:
            _tell(error.result)
        sys.exit(f"{error}")
    except LoaderError as error:
        sys.exit(f"{error}")
    _tell(result)


def _tell(result: LoadResult) -> None:
    for table in result.tables:
        sys.stdout.write(
            f"{table.source}.{table.table}: read {table.read}, loaded {table.loaded}, "
            f"collapsed {table.collapsed}, rejected {table.rejected}\n"
        )
    sys.stdout.writelines(f"{notice}\n" for notice in result.notices)
    sys.stdout.write(f"{result.source}: done in {result.seconds:.1f} s\n")
