"""What stands in quarantine: rows that gate one rejected, and rows that break a rule of dbt's."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from loaders.errors import LoaderError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from loaders.connection import Connection

TABLE: Final = "_rejects"
NOTES: Final = {"dismissed_at": "timestamp with time zone", "note": "varchar"}
"""Columns that are added to `_rejects` when the first row is dismissed."""
WORKING: Final = "_staging"
"""How the schema ends in which dlt prepares a merge."""
IDS_AT_ONCE: Final = 10_000
"""Ids that one statement names."""
RULES: Final = "quarantine"
"""The schema of dbt's quarantine models."""


class RejectUnknown(LoaderError):
    """No rejected row has this id, or several have."""


@dataclass(frozen=True, kw_only=True)
class Reject:
    """A row that gate one could not read as its declared shape."""

    reject_id: str
    source: str
    table_name: str
    reason: str
    payload: str
    """The row as it arrived."""
    origin: str
    """File, page, stream or database table."""
    position: str
    """Line, message id or key."""
    rejected_at: datetime
    dismissed_at: datetime | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which rejects are meant; what is None does not matter."""

    source: str | None = None
    table: str | None = None
    reason: str | None = None
    """A part of the reason, in any case."""
    since: datetime | None = None
    until: datetime | None = None
    ids: tuple[str, ...] = ()
    """Ids, or how they begin."""
    is_dismissed: bool = False


@dataclass(frozen=True, kw_only=True)
class BrokenRule:
    """How many rows of a model break the same rules."""

    model: str
    reasons: str
    count_rows: int


def find(connection: Connection, wanted: Wanted, limit: int | None = None) -> list[Reject]:
    """Return rejects, newest first.

    Raises:
        RejectUnknown: an id is that of no reject, or begins like several.
    """
    # an id is looked for among all: another one may begin like it
    most = None if wanted.ids else limit
    found = [
        one
        for source in _sources(connection, wanted)
        for one in _of(connection, source, wanted, limit=most)
    ]
    for prefix in wanted.ids:
        _check_single(prefix, [one for one in found if one.reject_id.startswith(prefix)])
    found.sort(key=lambda one: (one.rejected_at, one.reject_id), reverse=True)
    return found[:limit]


def counted(connection: Connection, wanted: Wanted) -> dict[tuple[str, str], int]:
    """Return how many rejects are meant, by source and table."""
    found = {}
    for source in _sources(connection, wanted):
        where, values = _where(connection, source, wanted)
        sql = f"select table_name, count(*) from {schema(source)}.{TABLE} {where} group by 1"
        for table, rows in connection.execute(f"{sql} order by 1", values).fetchall():
            found[source, str(table)] = int(rows)
    return found


def batches(connection: Connection, wanted: Wanted, size: int) -> Iterator[list[Reject]]:
    """Yield the rejects of one source, so many at once; what was yielded may be changed."""
    last = ""
    while found := _of(connection, str(wanted.source), wanted, after=last, limit=size):
        yield found
        last = found[-1].reject_id


def dismiss(connection: Connection, found: Sequence[Reject], note: str, now: datetime) -> int:
    """Keep rejects with a note, no longer open; return how many."""
    for source in sorted({one.source for one in found}):
        add_notes(connection, source)
        ids = [one.reject_id for one in found if one.source == source]
        for begin in range(0, len(ids), IDS_AT_ONCE):
            some = ids[begin : begin + IDS_AT_ONCE]
            connection.execute(
                f"update {schema(source)}.{TABLE} set dismissed_at = ?, note = ? "
                f"where reject_id in ({', '.join('?' * len(some))})",
                [now, note, *some],
            )
    return len(found)


def broken_rules(connection: Connection, table: str | None = None) -> list[BrokenRule]:
    """Return what stands in dbt's quarantine models (gate two), counted by its reasons."""
    found = []
    for model in _models(connection):
        if table is None or model.endswith(f"__{table}"):
            rows = connection.execute(
                f'select reasons, count(*) from {RULES}."{model}" group by reasons order by reasons'
            ).fetchall()
            found += [BrokenRule(model=model, reasons=str(r), count_rows=int(n)) for r, n in rows]
    return found


def rows_of(connection: Connection, model: str, limit: int) -> list[dict[str, Any]]:
    """Return rows of one of dbt's quarantine models, with their reasons.

    Raises:
        RejectUnknown: there is no such model.
    """
    known = _models(connection)
    if model not in known:
        raise RejectUnknown(
            f"Nothing in quarantine is named '{model}'. Known models: {', '.join(known) or 'none'};"
            " rejected rows go by the ids of `tidemill quarantine list`."
        )
    names = connection.columns(RULES, model)
    rows = connection.execute(f'select * from {RULES}."{model}" limit {limit}').fetchall()
    return [dict(zip(names, row, strict=True)) for row in rows]


def add_notes(connection: Connection, source: str) -> None:
    """Make sure that a source's rejects can be dismissed."""
    for name, kind in NOTES.items():
        connection.execute(
            f"alter table {schema(source)}.{TABLE} add column if not exists {name} {kind}"
        )


def schema(source: str) -> str:
    """Return a source's raw schema, as SQL."""
    return '"' + f"raw_{source}".replace('"', '""') + '"'


def _sources(connection: Connection, wanted: Wanted) -> list[str]:
    rows = connection.execute(
        "select distinct table_schema from information_schema.tables where table_name = ? "
        "and left(table_schema, 4) = 'raw_' order by table_schema",
        [TABLE],
    ).fetchall()
    found = {str(name).removeprefix("raw_") for (name,) in rows}
    ours = found - {f"{name}{WORKING}" for name in found}
    return sorted(name for name in ours if wanted.source in (None, name))


def _of(
    connection: Connection,
    source: str,
    wanted: Wanted,
    *,
    after: str | None = None,
    limit: int | None = None,
) -> list[Reject]:
    """Return rejects of a source, newest first; behind an id, in the order of their ids."""
    names = [field.name for field in fields(Reject) if field.name != "source"]
    known = set(connection.columns(f"raw_{source}", TABLE))
    columns = [name if name in known else f"null as {name}" for name in names]
    where, values = _where(connection, source, wanted)
    if after is not None:
        where, values = f"{where} and reject_id > ?", [*values, after]
    order = "rejected_at desc, reject_id desc" if after is None else "reject_id"
    most = f"limit {limit}" if limit is not None else ""
    rows = connection.execute(
        f"select {', '.join(columns)} from {schema(source)}.{TABLE} {where} "
        f"order by {order} {most}",
        values,
    ).fetchall()
    return [Reject(source=source, **dict(zip(names, row, strict=True))) for row in rows]


def _where(connection: Connection, source: str, wanted: Wanted) -> tuple[str, list[Any]]:
    """Return the condition that a reject of a source is meant, and its parameters."""
    has_notes = "dismissed_at" in connection.columns(f"raw_{source}", TABLE)
    conditions = {
        "table_name = ?": wanted.table,
        "lower(reason) like ?": f"%{wanted.reason.lower()}%" if wanted.reason else None,
        "rejected_at >= ?": wanted.since,
        "rejected_at < ?": wanted.until,
        " or ".join(["reject_id like ?"] * len(wanted.ids)): [f"{one}%" for one in wanted.ids],
    }
    given = {sql: value for sql, value in conditions.items() if value}
    if not wanted.is_dismissed and has_notes:
        given["dismissed_at is null"] = []
    if wanted.is_dismissed:
        given["dismissed_at is not null" if has_notes else "1 = 0"] = []
    where = " and ".join(f"({sql})" for sql in given) or "1 = 1"
    values = [v for one in given.values() for v in (one if isinstance(one, list) else [one])]
    return f"where {where}", values


def _models(connection: Connection) -> list[str]:
    rows = connection.execute(
        "select distinct table_name from information_schema.columns "
        "where table_schema = ? and column_name = 'reasons' order by table_name",
        [RULES],
    ).fetchall()
    return [str(name) for (name,) in rows]


def _check_single(prefix: str, found: Sequence[Reject]) -> None:
    if len(found) == 1:
        return
    what = f"{len(found)} ids begin so" if found else "there is none, or it is dismissed"
    raise RejectUnknown(
        f"No rejected row '{prefix}': {what}. `tidemill quarantine list` shows them."
    )
