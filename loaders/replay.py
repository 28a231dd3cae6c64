"""Put rejected rows through gate one again, and those that pass into their raw table.

All of it is one transaction of the warehouse, a load of its own with its own id: killed at any
moment it has happened or it has not.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa

from loaders.accounting import TableCount
from loaders.drift import rules
from loaders.errors import LoaderError
from loaders.exact import parsed
from loaders.gate import json_field, named_apart, shape
from loaders.load import settle
from loaders.registry import find_source
from loaders.rejects import Reject, Wanted, add_notes, batches, counted, find, schema
from loaders.replay_sql import Judged, Replayed
from loaders.shape import PLACE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlt.extract import DltResource, DltSource

    from loaders.connection import Connection
    from loaders.shape import Shape
    from loaders.warehouse import Target

ROWS_AT_ONCE: Final = 20_000
"""Rejects judged together; bounds memory."""


def replay(
    source: str | DltSource,
    *,
    target: Target,
    wanted: Wanted | None = None,
    payloads: Mapping[str, str] | None = None,
) -> list[TableCount]:
    """Put a source's rejects through the gate as its columns are declared now.

    Rows that pass stand in their raw table and leave the quarantine. Those that do not stay, with
    the reason that they have now. One whose key has a newer row is dismissed with a note.

    Args:
        source: one of SOURCES, or a dlt source of your own.
        target: the warehouse.
        wanted: which rejects; by default all open ones of the source.
        payloads: corrected rows by reject id, in place of what arrived.

    Returns:
        For each table how many rejects were read, loaded, collapsed (a newer row was there) and
        rejected again.

    Raises:
        LoaderError: what failed, in one sentence; nothing has changed.
    """
    found_source = find_source(source) if isinstance(source, str) else source
    name = found_source.name
    meant = Wanted(**{**vars(wanted or Wanted()), "source": name})
    with target.exclusive():
        settle(found_source, target)
        with target.connect() as connection:
            if meant.ids:
                find(connection, meant)  # each is that of one row
            tables = [table for _, table in counted(connection, meant)]
            if not tables:
                return []
            add_notes(connection, name)
            each = [replace(meant, table=table) for table in tables]
            return _replayed(connection, found_source, each, payloads or {})


def _replayed(
    connection: Connection,
    source: DltSource,
    wanted: Sequence[Wanted],
    payloads: Mapping[str, str],
) -> list[TableCount]:
    load_id = _load_id(connection, source.name)
    connection.execute("begin")
    try:
        counts = [_table(connection, source, each, payloads, load_id) for each in wanted]
        connection.execute(
            f"insert into {schema(source.name)}._dlt_loads "
            "(load_id, schema_name, status, inserted_at, schema_version_hash) "
            f"select ?, schema_name, 0, current_timestamp, schema_version_hash "
            f"from {schema(source.name)}._dlt_loads order by load_id desc limit 1",
            [load_id],
        )
        connection.execute("commit")
    except Exception as error:
        connection.execute("rollback")
        if isinstance(error, LoaderError):
            raise
        raise LoaderError(
            f"Cannot replay the rejects of '{source.name}': {str(error).strip().splitlines()[0]}. "
            "Nothing has changed. Where a column's declared type is another now, its table must "
            "be given that type first."
        ) from error
    return counts


def _table(
    connection: Connection,
    source: DltSource,
    wanted: Wanted,
    payloads: Mapping[str, str],
    load_id: str,
) -> TableCount:
    """Judge the rejects of one table, some at a time, and let all that pass in at once."""
    table = str(wanted.table)
    resource = _resource(source, table)
    declared = _declared(connection, source, resource)
    replayed = Replayed(
        connection=connection,
        source=source.name,
        shape=declared,
        latest_by=_latest_by(resource),
    )
    read = good = 0
    for found in batches(connection, wanted, ROWS_AT_ONCE):
        judged = judge(declared, source, found, payloads, load_id)
        read, good = read + len(found), good + judged.good.num_rows
        if judged.good.num_rows:
            replayed.wait(judged.good)
        replayed.refuse(_as_it_arrived(judged.bad, payloads))
    superseded = replayed.store()
    return TableCount(
        source=source.name,
        table=table,
        read=read,
        loaded=good - superseded,
        collapsed=superseded,
        rejected=read - good,
    )


def _declared(connection: Connection, source: DltSource, resource: DltResource) -> Shape:
    """Return what a table's rows must look like now."""
    declared = shape(resource)
    if declared is None:
        raise LoaderError(f"The table '{resource.name}' declares no columns: nothing to judge by.")
    known = connection.columns(f"raw_{source.name}", resource.name)
    raw: dict[str, Any] = {declared.table: dict.fromkeys(known)}
    takes_nul = connection.kind == "duckdb"
    found = rules(source, raw, {declared.table: declared}, takes_nul=takes_nul)
    return replace(declared, rule=found[declared.table])


def _latest_by(resource: DltResource) -> str | None:
    hints = resource.compute_table_schema()["columns"]
    return next((name for name, hint in hints.items() if hint.get("dedup_sort")), None)


def _as_it_arrived(bad: pa.Table, payloads: Mapping[str, str]) -> pa.Table:
    """Leave out what was corrected by hand: its reject stays as it is."""
    if not payloads:
        return bad
    return pa.Table.from_pylist(
        [row for row in bad.to_pylist() if row["reject_id"] not in payloads], bad.schema
    )


def judge(
    declared: Shape,
    source: DltSource,
    found: Sequence[Reject],
    payloads: Mapping[str, str],
    load_id: str,
) -> Judged:
    """Hold rejects against the columns that their table declares now."""
    page, rows = _page(found, payloads)
    is_of_file = set(PLACE) <= declared.types.keys()
    value, taken = partial(json_field, "payload"), PLACE if is_of_file else ()
    fields = named_apart(rows, value, taken, source.schema.naming)
    if is_of_file:
        fields |= {"_file": "origin", "_line": "position"}
    elif declared.key == ("message_id",):
        fields.setdefault("message_id", "position")
    reason = f"case when is_row then {declared.reason(fields)} else unreadable end"
    columns = declared.good(fields, load_id=load_id)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("page", page)
        good = connection.execute(
            f"select {columns}, reject_id as _reject_id, rejected_at as _rejected_at "
            f"from page where {reason} = ''"
        ).to_arrow_table()
        bad = connection.execute(
            f"select reject_id, {reason} as reason from page where {reason} <> ''"
        ).to_arrow_table()
    return Judged(good=good, bad=bad)


def _page(
    found: Sequence[Reject], payloads: Mapping[str, str]
) -> tuple[pa.Table, list[tuple[str, ...]]]:
    """Return rejects for DuckDB, and the fields that a row may have; each list of them once."""
    kinds: dict[tuple[str, ...], None] = {}
    rows = []
    for one in found:
        text = payloads.get(one.reject_id, one.payload)
        document, unreadable = _document(text, one.reason)
        kinds[tuple(document)] = None
        rows.append(
            {
                "reject_id": one.reject_id,
                "rejected_at": one.rejected_at,
                "origin": one.origin,
                "position": one.position,
                "payload": text if not unreadable else None,
                "is_row": not unreadable,
                "unreadable": unreadable,
            }
        )
    return pa.Table.from_pylist(rows), list(kinds)


def _document(text: str, reason: str) -> tuple[dict[str, Any], str]:
    """Return a payload's fields, or none and why it has none."""
    try:
        document = parsed(text.encode())
    except ValueError:
        return {}, reason  # a broken line is as broken as it was
    return (document, "") if isinstance(document, dict) else ({}, "not a JSON object")


def _resource(source: DltSource, table: str) -> DltResource:
    if table not in source.resources:
        raise LoaderError(
            f"Cannot replay '{source.name}.{table}': the source has no such table any more. "
            "Dismiss its rejects, or give the table back."
        )
    resource: DltResource = source.resources[table]
    return resource


def _load_id(connection: Connection, source: str) -> str:
    """Return an id for a load that comes after all others of a source."""
    last = connection.scalar(f"select max(load_id) from {schema(source)}._dlt_loads")
    return str(max(time.time(), float(last or 0) + 0.001))
