"""What stands in the warehouse has passed its tests, or readers do not get to see it.

The mark lives in the warehouse and is set and cleared by whoever holds the right to write, so no
kill and no other job can slip models past their tests.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from orchestration.errors import ModelsFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loaders.warehouse import Target

MARKS: Final = "tidemill.unaudited"


def loads(warehouse: Target) -> dict[str, str]:
    """Return the newest committed load of each source, as the models see it."""
    with warehouse.connect() as connection:
        schemas = connection.execute(
            "select table_schema from information_schema.tables where table_name = '_dlt_loads'"
        ).fetchall()
        newest = 'select max(load_id) from "{}"._dlt_loads where status = 0'
        return {
            str(name): str(connection.scalar(newest.format(name))) for (name,) in sorted(schemas)
        }


@contextmanager
def pending(warehouse: Target, selection: str, run_id: str) -> Iterator[None]:
    """Mark a selection of models as not yet tested, until the block ends well.

    A build of everything that ends well clears all marks.
    """
    with warehouse.connect() as connection:
        connection.execute("create schema if not exists tidemill")
        connection.execute(f"create table if not exists {MARKS} (selection text, run_id text)")
        connection.execute(f"delete from {MARKS} where selection = ?", [selection])
        connection.execute(f"insert into {MARKS} values (?, ?)", [selection, run_id])
    yield
    with warehouse.connect() as connection:
        connection.execute(f"delete from {MARKS} where selection = ? or ? = ''", [selection] * 2)


def passed(warehouse: Target) -> dict[str, int]:
    """Return how many rows stand in each table of the quarantine, if all models passed.

    Raises:
        ModelsFailed: some models were built and did not pass their tests, or nobody knows.
    """
    with warehouse.connect() as connection:
        if connection.table_exists(*MARKS.split(".")):
            marks = connection.execute(f"select selection, run_id from {MARKS}").fetchall()
            if marks:
                selection, run_id = marks[0]
                raise ModelsFailed(
                    f"Cannot publish: the models ({selection or 'all'}) that the run {run_id} "
                    "built have not passed their tests. Readers keep the last good marts; "
                    f"`tidemill resume {run_id}` or a `tidemill transform` that passes goes on."
                )
        tables = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'quarantine'"
        ).fetchall()
        counting = 'select count(*) from quarantine."{}"'
        return {str(name): int(connection.scalar(counting.format(name))) for (name,) in tables}
