"""Put rejected rows through gate one again, and those that pass into their raw table.

All of it is one transaction of the warehouse, a load of its own with its own id: killed at any
moment it has happened or it has not.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb
import orjson
import pyarrow as pa

from loaders.accounting import TableCount
from loaders.drift import rules
from loaders.errors import LoaderError
from loaders.gate import json_field, named_apart, shape
from loaders.load import find_source, settle
from loaders.rejects import TABLE, Reject, Wanted, add_notes, find, schema
from loaders.replay_sql import PLACE, Judged, store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlt.extract import DltResource, DltSource

    from loaders.connection import Connection
    from loaders.drift import Rule
    from loaders.warehouse import Target


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
            found = find(connection, meant)
            if not found:
                return []
            add_notes(connection, name)
            return _replayed(connection, found_source, found, payloads or {})


def _replayed(
    connection: Connection,
    source: DltSource,
    found: Sequence[Reject],
    payloads: Mapping[str, str],
) -> list[TableCount]:
    load_id = _load_id(connection, source.name)
    connection.execute("begin")
    try:
        counts = [
            _table(
                connection,
                source,
                [one for one in found if one.table_name == table],
                payloads,
                load_id,
            )
            for table in sorted({one.table_name for one in found})
        ]
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
    found: Sequence[Reject],
    payloads: Mapping[str, str],
    load_id: str,
) -> TableCount:
    resource = _resource(source, found[0])
    known = connection.columns(f"raw_{source.name}", resource.name)
    takes_nul = connection.kind == "duckdb"
    raw: dict[str, Any] = {str(resource.name): dict.fromkeys(known)}
    rule = rules(source, raw, raw, takes_nul=takes_nul)[resource.name]
    judged = judge(resource, rule, source, found, payloads, load_id)
    superseded = store(connection, source.name, judged) if judged.good.num_rows else 0
    for reject_id, reason in judged.reasons.items():
        if reject_id not in payloads:  # what was corrected by hand stays as it arrived
            connection.execute(
                f"update {schema(source.name)}.{TABLE} set reason = ? where reject_id = ?",
                [reason, reject_id],
            )
    return TableCount(
        source=source.name,
        table=found[0].table_name,
        read=len(found),
        loaded=judged.good.num_rows - superseded,
        collapsed=superseded,
        rejected=len(judged.reasons),
    )


def judge(
    resource: DltResource,
    rule: Rule,
    source: DltSource,
    found: Sequence[Reject],
    payloads: Mapping[str, str],
    load_id: str,
) -> Judged:
    """Hold rejects against the columns that their table declares now."""
    declared = shape(resource, rule)
    if declared is None:
        raise LoaderError(f"The table '{resource.name}' declares no columns: nothing to judge by.")
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
            f"select reject_id, {reason} from page where {reason} <> ''"
        ).fetchall()
    hints = resource.compute_table_schema()["columns"]
    latest = [name for name, hint in hints.items() if hint.get("dedup_sort")]
    return Judged(shape=declared, good=good, reasons=dict(bad), latest_by=next(iter(latest), None))


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
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}, reason  # a broken line is as broken as it was
    return (document, "") if isinstance(document, dict) else ({}, "not a JSON object")


def _resource(source: DltSource, reject: Reject) -> DltResource:
    if reject.table_name not in source.resources:
        raise LoaderError(
            f"Cannot replay '{source.name}.{reject.table_name}': the source has no such table any "
            "more. Dismiss its rejects, or give the table back."
        )
    resource: DltResource = source.resources[reject.table_name]
    return resource


def _load_id(connection: Connection, source: str) -> str:
    """Return an id for a load that comes after all others of a source."""
    last = connection.scalar(f"select max(load_id) from {schema(source)}._dlt_loads")
    return str(max(time.time(), float(last or 0) + 0.001))
