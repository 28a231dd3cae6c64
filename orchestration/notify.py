"""Tells people, by Apprise: a failure once, its end once, stale data, a quarantine that grows."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from orchestration import history, plan
from orchestration.errors import OrchestrationError
from orchestration.ledger_schema import TROUBLES, upsert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from orchestration.ledger import Ledger

VARIABLE: Final = "TIDEMILL_NOTIFY"
GROWTH_SHARE: Final = 0.2
GROWTH_ROWS: Final = 10
"""A quarantine that grew by both, share and rows, since the last run is worth a word."""


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Something that is wrong until it is not found any more."""

    name: str
    """What it is called while it lasts: `job daily`, `stale shop_db`, `quarantine users`."""
    message: str


@dataclass(frozen=True, kw_only=True)
class News:
    """What people are to be told of."""

    title: str
    body: str
    kind: str
    """Apprise's: failure, warning, success, info."""


def troubles(
    run: Mapping[str, Any],
    *,
    others: Sequence[Mapping[str, Any]] = (),
    news_at: Mapping[str, datetime],
    fresh: Mapping[str, float],
    now: datetime,
) -> list[Trouble]:
    """Return what is wrong after a run.

    Args:
        run: the run's record.
        others: the newest run of every other job; one that died could not tell of it itself.
        news_at: when each source last brought something new.
        fresh: seconds after which each source is stale.
        now: the time.
    """
    found = [
        Trouble(name=f"job {past['job']}", message=past["error"] or past["status"])
        for past in (run, *others)
        if past["status"] in {plan.FAILED, plan.PARTIAL}
    ]
    for source, seconds in fresh.items():
        last = news_at.get(source)
        if last and (now - last).total_seconds() > seconds:
            message = f"Nothing new since {last:%Y-%m-%d %H:%M} UTC, over {seconds / 3600:g} h."
            found.append(Trouble(name=f"stale {source}", message=message))
    return [*found, *_grown(run)]


def _grown(run: Mapping[str, Any]) -> list[Trouble]:
    details = [step["detail"] or {} for step in run["steps"] if step["kind"] == "publish"]
    return [
        Trouble(
            name=f"quarantine {table}",
            message=f"quarantine.{table} holds {count:,} rows, {count - was:,} more than before.",
        )
        for detail in details
        for table, count in detail.get("quarantine", {}).items()
        if (was := detail.get("quarantine_before", {}).get(table)) is not None
        if count - was >= GROWTH_ROWS and count - was > was * GROWTH_SHARE
    ]


def judged(run: Mapping[str, Any]) -> set[str]:
    """Return the first words of the troubles that a run can tell the end of."""
    kinds = {f"job {run['job']}", "stale"}
    if any(step["kind"] == "publish" and step["status"] == plan.COMPLETED for step in run["steps"]):
        kinds.add("quarantine")
    return set() if run["status"] == plan.CANCELLED else kinds


def news(run: Mapping[str, Any], found: Iterable[Trouble], told: Mapping[str, str]) -> list[News]:
    """Return what people have not been told yet.

    Args:
        run: the run's record.
        found: what is wrong now.
        told: trouble → message, of those that people know of.
    """
    now = {trouble.name: trouble for trouble in found}
    new = [
        News(title=f"Tidemill: {name}", body=_body(run, trouble.message), kind=_kind(name))
        for name, trouble in now.items()
        if name not in told
    ]
    over = [
        News(
            title=f"Tidemill: {name} is well again", body=_body(run, "It is over."), kind="success"
        )
        for name in told
        if name not in now and _is_judged(name, run)
    ]
    return new + over


def _is_judged(name: str, run: Mapping[str, Any]) -> bool:
    return any(name == kind or name.startswith(f"{kind} ") for kind in judged(run))


def _kind(name: str) -> str:
    return "failure" if name.startswith("job ") else "warning"


def _body(run: Mapping[str, Any], message: str) -> str:
    return f"{message}\nRun {run['id']} of the job {run['job']} on {run['target']}."


class Notifier:
    """Compares each run with what people have been told, and tells them the difference."""

    def __init__(self, ledger: Ledger, fresh: Mapping[str, float], warehouse: str) -> None:
        self.ledger = ledger
        self.fresh = fresh
        self.warehouse = warehouse

    def after(self, run: Mapping[str, Any], now: datetime) -> list[News]:
        """Tell what is new after a run, remember it, and return it.

        What nobody took is not remembered, and so is tried again after the next run.
        """
        newest = history.newest_runs(self.ledger, self.warehouse)
        found = troubles(
            run,
            others=[past for past in newest if past["job"] != run["job"]],
            news_at=history.news_at(self.ledger, self.warehouse),
            fresh=self.fresh,
            now=now,
        )
        untold = news(run, found, self._told())
        if untold:
            refused = {scheme for entry in untold for scheme in send(entry)}
            self._remember(run, found, now)
            if refused:
                names = ", ".join(sorted(refused))
                raise OrchestrationError(f"Not every address of {VARIABLE} takes news: {names}.")
        return untold

    def _told(self) -> dict[str, str]:
        query = sa.select(TROUBLES.c.trouble, TROUBLES.c.message)
        with self.ledger.transaction() as connection:
            rows = connection.execute(query.where(TROUBLES.c.warehouse == self.warehouse))
            return {row.trouble: row.message for row in rows}

    def _remember(self, run: Mapping[str, Any], found: list[Trouble], now: datetime) -> None:
        names = {trouble.name for trouble in found}
        over = [name for name in self._told() if name not in names and _is_judged(name, run)]
        with self.ledger.transaction() as connection:
            connection.execute(
                TROUBLES.delete().where(
                    TROUBLES.c.warehouse == self.warehouse, TROUBLES.c.trouble.in_(over)
                )
            )
            for trouble in found:
                key = {"trouble": trouble.name, "warehouse": self.warehouse}
                values = {**key, "since": now, "message": trouble.message}
                upsert(connection, TROUBLES, values)


def is_wanted() -> bool:
    """Tell whether anybody is to be told."""
    return bool(os.environ.get(VARIABLE, "").strip())


def send(entry: News, attach: Path | None = None) -> list[str]:
    """Send news to every address in TIDEMILL_NOTIFY; return how those begin that did not take it.

    Raises:
        OrchestrationError: an address cannot be read, or none took it.
    """
    # Apprise still asks for modules that Python 3.13 drops, when it first sees an address.
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        mailers = {each: _mailer(each) for each in os.environ.get(VARIABLE, "").split()}
    told = {"title": entry.title, "body": entry.body, "notify_type": entry.kind}
    refused = [
        address.partition(":")[0]
        for address, mailer in mailers.items()
        if not mailer.notify(**told, attach=str(attach) if attach else None)
    ]
    if len(refused) == len(mailers):
        raise OrchestrationError(
            f"Cannot send '{entry.title}': no address in {VARIABLE} took it. It is tried again "
            "after the next run."
        )
    return refused


def _mailer(address: str) -> Any:
    import apprise

    mailer = apprise.Apprise()
    if not mailer.add(address):
        raise OrchestrationError(
            f"Cannot read an address in {VARIABLE} (it begins with '{address.partition(':')[0]}:')."
            " Write Apprise URLs, separated by spaces."
        )
    return mailer
