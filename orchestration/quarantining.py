"""What the commands `tidemill quarantine …` do."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from loaders import rejects
from loaders.exact import parsed
from loaders.rejects import Reject, RejectUnknown, Wanted
from orchestration import show
from orchestration.clock import Clock
from orchestration.commands import read_settings
from orchestration.show import Grid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from loaders.warehouse import Target

SOME_REMAIN = 3
ID_SHOWN = 12
REASON_SHOWN = 80


def wanted(
    source: str | None,
    table: str | None,
    reason: str | None,
    since: datetime | None,
    until: datetime | None,
    *,
    ids: Sequence[str] | None = None,
    is_dismissed: bool = False,
) -> Wanted:
    """Return which rejects a command means; times without a zone are UTC."""
    return Wanted(
        source=source,
        table=table,
        reason=reason,
        since=since and since.replace(tzinfo=since.tzinfo or UTC),
        until=until and until.replace(tzinfo=until.tzinfo or UTC),
        ids=tuple(ids or ()),
        is_dismissed=is_dismissed,
    )


def list_open(meant: Wanted, target: str | None, *, limit: int, as_json: bool) -> int:
    """List rejects and, beside them, what breaks rules."""
    with _target(target).connect() as connection:
        found = rejects.find(connection, meant, limit)
        count = sum(rejects.counted(connection, meant).values())
        rules = [] if meant.is_dismissed else rejects.broken_rules(connection, meant.table)
    rules = [one for one in rules if meant.source in (None, one.model.split("__")[0][4:])]
    if as_json:
        answer = {"rejects": [asdict(one) for one in found], "count": count}
        show.as_json({**answer, "broken_rules": [asdict(one) for one in rules]})
        return 0
    header = ("id", "table", "reason", "place", "rejected (UTC)")
    listed = [_row(one) for one in found]
    show.grid(Grid(title="Rejected by the loaders", header=header, rows=listed))
    show.text(f"{count:,} rejected rows{' in all' if count > limit else ''}.")
    rows = [[one.model, one.reasons, one.count_rows] for one in rules]
    show.grid(Grid(title="Breaks a rule of dbt", header=("model", "reasons", "rows"), rows=rows))
    return 0


def show_one(what: str, target: str | None, *, limit: int, as_json: bool) -> int:
    """Write a reject's payload, fit to be edited, or the rows of a quarantine model."""
    with _target(target).connect() as connection:
        if "__" in what:
            model = what.removeprefix(f"{rejects.RULES}.")
            show.as_json(_plain(rejects.rows_of(connection, model, limit)))
            return 0
        found = _any(connection, what)
    if as_json:
        show.as_json(asdict(found))
    else:
        show.text(_pretty(found.payload))
    return 0


def replay_some(
    meant: Wanted,
    target: str | None,
    *,
    corrected: Path | None,
    values: Sequence[str],
    as_json: bool,
) -> int:
    """Put rejects through the gate again; 3 if some did not pass."""
    from loaders.replay import replay

    warehouse = _target(target)
    payloads: dict[str, str] = {}
    with warehouse.connect() as connection:
        meant_in = rejects.counted(connection, _specific(meant, "replay"))
        if meant.ids or corrected or values:
            found = rejects.find(connection, meant, None if meant.ids else 1)
            payloads = _corrections(found, sum(meant_in.values()), corrected, values)
        ids = {source: _ids(found, source) for source, _ in meant_in} if meant.ids else {}
    counts = [
        count
        for source in sorted({source for source, _ in meant_in})
        for count in replay(
            source,
            target=warehouse,
            wanted=replace(meant, ids=ids.get(source, ()), source=source),
            payloads=payloads,
        )
    ]
    header = ("source", "table", "read", "loaded", "newer was there", "rejected again")
    rows = [
        [one.source, one.table, one.read, one.loaded, one.collapsed, one.rejected] for one in counts
    ]
    if as_json:
        show.as_json({"tables": [asdict(count) for count in counts]})
    elif rows:
        show.grid(Grid(title="Replayed", header=header, rows=rows))
    else:
        show.text("Nothing to replay.")
    return SOME_REMAIN if any(count.rejected for count in counts) else 0


def dismiss_some(meant: Wanted, target: str | None, *, note: str, as_json: bool) -> int:
    """Let rejects go."""
    warehouse = _target(target)
    with warehouse.exclusive(), warehouse.connect() as connection:
        found = rejects.find(connection, _specific(meant, "dismiss"))
        count = rejects.dismiss(connection, found, note, Clock().now())
    show.as_json({"dismissed": count}) if as_json else show.text(f"Dismissed: {count:,} rows.")
    return 0


def _target(name: str | None) -> Target:
    return read_settings(name).target


def _specific(meant: Wanted, verb: str) -> Wanted:
    if not meant.ids and not meant.source:
        raise RejectUnknown(
            f"Nothing to {verb}: name rows by their ids, or a source by --source. "
            "`tidemill quarantine list` shows both."
        )
    return meant


def _any(connection: Any, prefix: str) -> Reject:
    """Return one reject, open or dismissed."""
    for is_dismissed in (True, False):
        try:
            return rejects.find(connection, Wanted(ids=(prefix,), is_dismissed=is_dismissed))[0]
        except RejectUnknown:
            if not is_dismissed:
                raise
    raise AssertionError


def _ids(found: Sequence[Reject], source: str) -> tuple[str, ...]:
    return tuple(one.reject_id for one in found if one.source == source)


def _corrections(
    found: Sequence[Reject], count: int, corrected: Path | None, values: Sequence[str]
) -> dict[str, str]:
    """Return the corrected payload of the one row that is meant.

    Raises:
        RejectUnknown: there are several rows, or a value is not written column=value.
    """
    if corrected is None and not values:
        return {}
    if count != 1:
        raise RejectUnknown(
            f"--with and --set correct one row, and {count} are meant. Name one by its id."
        )
    payload = corrected.read_text() if corrected else found[0].payload
    for value in values:
        payload = _with(payload, *value.partition("="))
    return {found[0].reject_id: payload}


def _with(payload: str, column: str, sign: str, value: str) -> str:
    try:
        document = json.loads(payload)
    except json.JSONDecodeError:
        document = None
    if not sign or not isinstance(document, dict):
        raise RejectUnknown(
            f"Cannot set '{column}{sign}{value}': write column=value, of a row that is a JSON "
            "object; a broken line is corrected by --with FILE."
        )
    return json.dumps({**document, column: value})


def _row(one: Reject) -> list[Any]:
    reason = one.reason if len(one.reason) <= REASON_SHOWN else one.reason[: REASON_SHOWN - 1] + "…"
    short = one.reject_id[:ID_SHOWN]
    place = f"{one.origin} {one.position}".strip()
    moment = f"{one.rejected_at.astimezone(UTC):%Y-%m-%d %H:%M}"
    return [short, f"{one.source}.{one.table_name}", reason, place, moment]


def _pretty(payload: str) -> str:
    try:
        fields = parsed(payload.encode())
        return json.dumps(fields, indent=2, ensure_ascii=False, default=str)
    except ValueError:
        return payload


def _plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kept = (str, int, float, bool, datetime, type(None))
    return [
        {name: value if isinstance(value, kept) else str(value) for name, value in row.items()}
        for row in rows
    ]
