"""Small databases to read from, and what came of it in the warehouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dlt
import sqlalchemy as sa

from loaders.load import load
from loaders.readers.database import table
from loaders.readers.database_link import with_driver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loaders.load import LoadResult
    from loaders.warehouse import Target


def run(url: str, *statements: str) -> None:
    """Run statements in a database, each committed."""
    engine = sa.create_engine(with_driver(sa.make_url(url)), poolclass=sa.NullPool)
    with engine.connect() as connection:
        for sql in statements:
            connection.execution_options(no_parameters=True).exec_driver_sql(sql)
            connection.commit()


def load_table(target: Target, url: str, name: str = "things", **options: Any) -> LoadResult:
    """Load one table as the source `other_db`."""
    return load_tables(target, lambda: [table(name, url, **{"key": "id", **options})])


def load_tables(target: Target, resources: Callable[[], Any], **options: Any) -> LoadResult:
    """Load resources as the source `other_db`."""

    @dlt.source(name="other_db")
    def other_db() -> Any:
        return resources()

    return load(other_db(), target=target, **options)


def rows(target: Target, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query of the warehouse."""
    with target.connect() as connection:
        return connection.execute(sql).fetchall()


def counts(result: LoadResult) -> Sequence[tuple[str, int, int, int, int]]:
    """Return table, read, loaded, collapsed, rejected."""
    return [(t.table, t.read, t.loaded, t.collapsed, t.rejected) for t in result.tables]
