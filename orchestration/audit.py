"""What stands in the warehouse has passed its tests, or readers do not get to see it.

The mark lives in the warehouse and is set and cleared by whoever holds the right to write, so no
kill and no other job can slip models past their tests.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from orchestration.errors import ModelsFailed, NothingBuilt

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from loaders.connection import Connection
    from loaders.warehouse import Target

MARKS: Final = "tidemill.unaudited"


def loads(warehouse: Target) -> dict[str, str]:
    """Return the newest committed load of each source, as the models see it."""
    newest = 'select max(load_id) from "raw_{}"._dlt_loads where status = 0'
    with warehouse.connect() as connection:
        return {
            source: str(connection.scalar(newest.format(source)) or "")
            for source in _sources(connection)
        }


def changed(warehouse: Target, since: Mapping[str, str], idle: Collection[str]) -> set[str]:
    """Return the sources of which loads were committed that brought something.

    Args:
        warehouse: the warehouse.
        since: of each source, the newest load that is known; one that is not named is new.
        idle: loads that brought nothing, each as `<source> <load id>`.
    """
    newer = 'select load_id from "raw_{}"._dlt_loads where status = 0 and load_id > ?'
    with warehouse.connect() as connection:
        return {
            source
            for source in _sources(connection)
            for (load_id,) in connection.execute(
                newer.format(source), [since.get(source, "")]
            ).fetchall()
            if f"{source} {load_id}" not in idle
        }


def relations(warehouse: Target) -> set[str]:
    """Return all tables and views, each as `<schema>.<name>`."""
    with warehouse.connect() as connection:
        found = connection.execute(
            "select table_schema, table_name from information_schema.tables"
        ).fetchall()
        return {f"{schema}.{name}" for schema, name in found}


def _sources(connection: Connection) -> list[str]:
    found = connection.execute(
        "select table_schema from information_schema.tables "
        "where table_name = '_dlt_loads' and table_schema like 'raw_%'"
    ).fetchall()
    return sorted(str(schema).removeprefix("raw_") for (schema,) in found)


def marks(warehouse: Target) -> list[tuple[str, str]]:
    """Return selection and run of the builds that have not passed their tests."""
    with warehouse.connect() as connection:
        return _marks(connection)


def _marks(connection: Connection) -> list[tuple[str, str]]:
    if not connection.table_exists(*MARKS.split(".")):
        return []
    found = connection.execute(f"select selection, run_id from {MARKS}").fetchall()
    return [(str(selection), str(run_id)) for selection, run_id in found]


@contextmanager
def pending(warehouse: Target, selection: str, run_id: str) -> Iterator[None]:
    """Mark a selection of models as not yet tested, until the block ends well.

    A build of everything that ends well clears all marks; one that changed nothing leaves them as
    they were.
    """
    with warehouse.connect() as connection:
        marked = any(each == selection for each, _ in _marks(connection))
        connection.execute("create schema if not exists tidemill")
        connection.execute(f"create table if not exists {MARKS} (selection text, run_id text)")
        connection.execute(f"delete from {MARKS} where selection = ?", [selection])
        connection.execute(f"insert into {MARKS} values (?, ?)", [selection, run_id])
    try:
        yield
    except NothingBuilt:
        if not marked:
            _clear(warehouse, "selection = ?", [selection])
        raise
    _clear(warehouse, "selection = ? or ? = ''", [selection] * 2)


def _clear(warehouse: Target, condition: str, values: list[str]) -> None:
    with warehouse.connect() as connection:
        connection.execute(f"delete from {MARKS} where {condition}", values)


def passed(warehouse: Target) -> dict[str, int]:
    """Return how many rows stand in each table of the quarantine, if all models passed.

    Raises:
        ModelsFailed: some models were built and did not pass their tests, or nobody knows.
    """
    with warehouse.connect() as connection:
        for selection, run_id in _marks(connection):
            raise ModelsFailed(
                f"Cannot publish: the models ({selection or 'all'}) that the run {run_id} built "
                "have not passed their tests. Readers keep the last good marts; `tidemill resume "
                f"{run_id}` or a `tidemill transform` that passes goes on."
            )
        tables = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'quarantine'"
        ).fetchall()
        counting = 'select count(*) from quarantine."{}"'
        return {str(name): int(connection.scalar(counting.format(name))) for (name,) in tables}
