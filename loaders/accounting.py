"""Every row accounted for: what was read of a table is loaded, collapsed or rejected."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from threading import Semaphore
from typing import TYPE_CHECKING, Any

import dlt

from loaders.drift import ANYTHING
from loaders.engines import Engines
from loaders.errors import RowsUnaccounted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from loaders.connection import Connection
    from loaders.drift import Rule
    from loaders.warehouse import Target

STATE = "tidemill"
TABLES_AT_ONCE = 2
"""So many tables are read side by side; bounds memory."""


@dataclass(frozen=True, kw_only=True)
class TableCount:
    """What became of the rows that one load read for one table."""

    source: str
    table: str
    read: int
    """Rows that the source gave."""
    loaded: int
    """Rows that now stand in the raw table because of this load."""
    collapsed: int
    """Rows that repeated another row of this load, or one that the warehouse already had."""
    rejected: int
    """Rows that went to `_rejects`."""
    load_id: str = ""
    """dlt's id of the load; '' where rows came by another way than a load."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """One load while it is extracted: its counts, and what the readers of its tables share.

    The counts are kept in the load package, so a kill keeps them.
    """

    target: Target | None = None
    on_progress: Callable[[str, int], None] | None = None
    notices: list[str] = field(default_factory=list)
    """What a person should know of this load."""
    rules: dict[str, Rule] = field(default_factory=dict)
    """How its tables take a new shape."""
    read: dict[str, dict[str, int]] = field(default_factory=dict)
    """By load id and table, the rows read: dlt makes no package where all were there already."""
    places: Semaphore = field(default_factory=lambda: Semaphore(TABLES_AT_ONCE))
    """For tables that are read side by side."""
    engines: Engines = field(default_factory=Engines)

    @cached_property
    def warehouse(self) -> Connection:
        """A connection to what earlier loads brought, for the thread of the load."""
        if self.target is None:
            raise LookupError("no load runs")
        return self.target.connect()

    def close(self) -> None:
        """Close what was opened for the load."""
        self.engines.close()
        if "warehouse" in self.__dict__:
            self.warehouse.close()

    @property
    def load_id(self) -> str:
        """The id of the load package being extracted."""
        return str(dlt.current.load_package_state()["load_id"])

    def rule(self, table: str) -> Rule:
        """Return how a table takes a new shape."""
        return self.rules.get(table, ANYTHING)

    def note(self, table: str, text: str) -> None:
        """Add a notice about one table."""
        self.notices.append(f"{dlt.current.source_schema().name}.{table}{text}")

    def add(self, table: str, **counts: int) -> None:
        """Add counts of one table.

        They are `read`, `good` (passed gate one), `held` (already there), `placed` (put into the
        raw table by the reader itself), and `plain` (where no columns are declared).
        """
        package: dict[str, Any] = dlt.current.load_package_state()["state"]  # type: ignore[assignment]
        tables = package.setdefault(STATE, {})
        found = tables.setdefault(table, {"read": 0, "good": 0, "held": 0})
        for name, count in counts.items():
            found[name] = found.get(name, 0) + count
        self.read.setdefault(self.load_id, {})[table] = found["read"]
        if self.on_progress:
            self.on_progress(table, found["read"])


_current: ContextVar[Tally] = ContextVar("tally")
_latest: list[Tally] = [Tally()]
"""For the threads in which dlt evaluates parallelized resources: they have no context."""


@contextmanager
def tallied(
    target: Target, on_progress: Callable[[str, int], None] | None = None
) -> Iterator[Tally]:
    """Let readers count into the load that runs now, and tell of their progress."""
    current = Tally(target=target, on_progress=on_progress)
    _latest[0] = current
    token = _current.set(current)
    try:
        yield current
    finally:
        _current.reset(token)
        current.close()


def tally() -> Tally:
    """Return the tally of the load that runs now."""
    return _current.get(_latest[0])


def table_counts(
    source: str, load_id: str, tally: Mapping[str, Mapping[str, int]], connection: Connection
) -> list[TableCount]:
    """Hold a committed load's tally against the warehouse.

    Args:
        source: the source's name.
        load_id: dlt's id of the load.
        tally: for each table, rows `read`, `good`, `held`, and `distinct` (by key, in the package).
        connection: to the warehouse.

    Raises:
        RowsUnaccounted: the raw table does not hold as many rows of this load as were sent.
    """
    rejected = _rejected(source, load_id, connection)
    is_newest = load_id >= _newest(source, connection)
    counts = []
    for table, found in sorted(tally.items()):
        loaded = found["distinct"]
        # what stands there tells as long as no later load put its rows in the place of these
        if is_newest and found.get("plain"):  # dlt merged: `distinct` is the most that there can be
            loaded = loaded and _loaded(source, table, load_id, connection)
        elif is_newest:
            there = _loaded(source, table, load_id, connection)
            _check(source, table, load_id, found=there, expected=loaded)
        count_rejected = rejected.get(table, 0)
        counts.append(
            TableCount(
                source=source,
                table=table,
                read=found["read"],
                loaded=loaded,
                collapsed=found["read"] - loaded - count_rejected,
                rejected=count_rejected,
                load_id=load_id,
            )
        )
    return counts


def _check(source: str, table: str, load_id: str, *, found: int, expected: int) -> None:
    if found != expected:
        raise RowsUnaccounted(
            f"Rows of '{source}.{table}' do not add up: load {load_id} sent {expected} rows and "
            f"{found} are there. Nothing was acknowledged. Look at `dlt pipeline {source} info`, "
            f"and load again with `tidemill load {source}`."
        )


def _newest(source: str, connection: Connection) -> str:
    sql = f'select max(load_id) from "raw_{source}"._dlt_loads where status = 0'
    return str(connection.scalar(sql) or "")


def _loaded(source: str, table: str, load_id: str, connection: Connection) -> int:
    sql = f'select count(*) from "raw_{source}"."{table}" where _dlt_load_id = ?'
    return int(connection.scalar(sql, [load_id]) or 0)


def _rejected(source: str, load_id: str, connection: Connection) -> dict[str, int]:
    sql = (
        f'select table_name, count(*) from "raw_{source}"._rejects '
        "where _dlt_load_id = ? group by table_name"
    )
    return {str(name): int(count) for name, count in connection.execute(sql, [load_id]).fetchall()}
