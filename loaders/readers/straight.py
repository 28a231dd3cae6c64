"""A file's rows straight from DuckDB into a raw table of PostgreSQL, by its binary COPY.

Batches of Arrow go from one thread to another, so that reading, encoding and PostgreSQL itself are
at work side by side; nothing is written aside. That is for files which hold nothing but good rows,
as nearly all do: at the first one that is refused PostgreSQL takes back what it got of the file.
"""

from __future__ import annotations

from contextlib import closing, suppress
from queue import Full, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from loaders.columns import literal, quoted
from loaders.readers.aside import count_broken
from loaders.readers.judged import GOOD, mark, normalized
from loaders.readers.placing import Placed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    import duckdb

    from loaders.readers.arrivals import Arrivals
    from loaders.readers.raw_postgres import RawPostgres
    from loaders.shape import Shape

VALUES: Final = 1_000_000
"""Of a batch."""
WAITING: Final = 3
"""Batches that may wait for PostgreSQL."""


class NotStraight(Exception):
    """A file holds a row that has to be looked at."""


def stream(
    connection: duckdb.DuckDBPyConnection,
    into: RawPostgres,
    *,
    shape: Shape,
    load_id: str,
    origin: str,
    kind: str,
    path: Path,
    arrivals: Arrivals,
    widen: Callable[[Iterable[str]], None],
) -> Placed | None:
    """Put a file that has nothing but good rows into a raw table; None when it is empty.

    Args:
        connection: to any DuckDB.
        into: the raw table.
        shape: what its rows must be like.
        load_id: dlt's id of the load.
        origin: the file's path as it is stored with the rows.
        kind: `csv`, `jsonl`, `array` or `parquet`.
        path: where it is now.
        arrivals: looks files up.
        widen: called with the columns of the file, to add those that the table lacks.

    Raises:
        NotStraight: it has other rows; nothing of it was kept.
        Unreadable: it is cut off; nothing of it was kept. DuckDB's own errors mean the same.
    """
    arrive = arrivals.of(kind, path)
    if arrive is None:
        return None
    with into.transaction(), arrivals.flowing(kind, path) as place:
        arrival = arrive(place)
        shape = arrivals.judged(shape, kind, arrival)
        fields = normalized(arrival)
        shape.check(fields)
        if shape.rule.unknown(fields):
            raise NotStraight
        widen(fields)
        extra = f"{literal(origin)} as _file, ({mark(arrival, shape)})::bigint as _line,"
        columns = shape.good(fields, load_id=load_id, extra=extra)
        batches = read(connection, f"select {columns} from ({arrival.relation})", shape)
        first = None if arrival.line else arrival.first_line
        with closing(ahead(batches)) as coming:
            count = into.send(batches.schema, numbered(coming, first))
        if count_broken(connection):
            raise NotStraight
    return Placed(fields=frozenset(fields), read=count, rejected=0)


def read(connection: duckdb.DuckDBPyConnection, select: str, shape: Shape) -> pa.RecordBatchReader:
    """Return what a SELECT gives in batches, JSON as text."""
    texts = [name for name, kind in shape.types.items() if kind == "json"]
    as_text = ", ".join(f"{quoted(name)}::varchar as {quoted(name)}" for name in texts)
    replaced = f" replace ({as_text})" if texts else ""
    found = connection.execute(f"select *{replaced} from ({select})")
    return found.to_arrow_reader(max(1, VALUES // len(found.description or [0])))


def numbered(batches: Iterable[pa.RecordBatch], first: int | None) -> Iterator[pa.RecordBatch]:
    """Yield batches with the lines of their rows in place of their marks.

    Args:
        batches: rows in their order in the file.
        first: the line of the first row; None when the rows have their lines.

    Raises:
        NotStraight: one has a mark other than GOOD, or a line below zero.
    """
    for batch in batches:
        at = batch.schema.get_field_index("_line")
        limits = pc.min_max(batch.column(at)).as_py()
        if first is None:
            if limits["min"] is not None and limits["min"] < 0:
                raise NotStraight
            yield batch
            continue
        if {limits["min"], limits["max"]} - {int(GOOD), None}:
            raise NotStraight
        lines = pc.add(pc.cumulative_sum(batch.column(at)), first - 1)  # each mark is 1
        first += batch.num_rows
        yield batch.set_column(at, batch.schema.field(at), lines)


def ahead(batches: Iterable[pa.RecordBatch]) -> Generator[pa.RecordBatch]:
    """Yield batches that a thread of its own reads, a few ahead."""
    waiting: Queue[Any] = Queue(WAITING)
    is_over = Event()

    def read_on() -> None:
        try:
            for batch in batches:
                if not _put(waiting, batch, is_over):
                    return
            _put(waiting, None, is_over)
        except BaseException as error:  # noqa: BLE001 - raised where the batches are taken
            _put(waiting, error, is_over)

    thread = Thread(target=read_on, daemon=True)
    thread.start()
    try:
        while (found := waiting.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            yield found
    finally:
        is_over.set()
        thread.join()


def _put(waiting: Queue[Any], what: Any, is_over: Event) -> bool:
    while not is_over.is_set():
        with suppress(Full):
            waiting.put(what, timeout=0.1)
            return True
    return False
