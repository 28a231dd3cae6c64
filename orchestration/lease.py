"""One run at a time for a job and a warehouse: who holds the lease, and when it is given up."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from orchestration import plan, process
from orchestration.errors import AlreadyFired, AlreadyRunning
from orchestration.ledger_schema import LEASES, RUNS, STEPS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy.engine import Connection, Row

    from orchestration.ledger import Ledger

BEAT: Final = 2.0
"""Seconds between two heartbeats."""
STALE: Final = timedelta(seconds=60)
"""A holder on another machine that was silent for so long is dead."""
_HELD: Final[set[str]] = set()
"""The runs that this process works on."""
DIED: Final = "The process died. Nothing is lost: `tidemill resume` does what is missing."


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a new run is to be."""

    name: str
    job: plan.Job
    target: str
    warehouse: str
    trigger: str = "manual"
    scheduled_for: datetime | None = None


def start(ledger: Ledger, claim: Claim, now: datetime) -> str:
    """Take the lease and record a new run, in one transaction; return the run's id.

    Raises:
        AlreadyRunning: a living run of this job holds the lease.
        AlreadyFired: this time of its schedule has had its run.
    """
    values = {
        "job": claim.name,
        "target": claim.target,
        "warehouse": claim.warehouse,
        "trigger": claim.trigger,
        "started_at": now,
        "scheduled_for": claim.scheduled_for,
    }
    with ledger.transaction() as connection:
        _free(ledger, connection, claim.name, claim.warehouse, now)
        _refuse_second(connection, claim)
        run_id = ledger.insert_run(connection, claim.job, values)
        _take(connection, claim.name, claim.warehouse, run_id, now)
        return run_id


def restart(ledger: Ledger, run: dict[str, Any], job: plan.Job, *, now: datetime) -> None:
    """Take the lease for a run that ended early, and open the run again.

    Raises:
        AlreadyRunning: a living run of this job holds the lease.
    """
    with ledger.transaction() as connection:
        _free(ledger, connection, run["job"], run["warehouse"], now)
        ledger.reopen_run(connection, run["id"], job, now)
        _take(connection, run["job"], run["warehouse"], run["id"], now)


def beat(ledger: Ledger, run_id: str, now: datetime) -> str:
    """Show that the run lives; return what is asked of it: `go`, `cancel`, or `lost`."""
    with ledger.transaction() as connection:
        held = connection.execute(
            LEASES.update().where(LEASES.c.run_id == run_id).values(heartbeat_at=now)
        )
        if held.rowcount == 0:
            return "lost"
        connection.execute(RUNS.update().where(RUNS.c.id == run_id).values(heartbeat_at=now))
        asked = sa.select(RUNS.c.cancel_requested).where(RUNS.c.id == run_id)
        return "cancel" if connection.execute(asked).scalar() else "go"


@contextmanager
def held(run_id: str) -> Iterator[None]:
    """Vouch for a run for as long as this process works on it.

    A scheduler lives on when a run of its breaks; without this, the lease would live on as well.
    """
    try:
        yield
    finally:
        _HELD.discard(run_id)


@dataclass(frozen=True, kw_only=True)
class End:
    """How a run ended."""

    status: str
    error: str | None = None
    interrupted: bool = False
    """The runner was stopped, not the run: whoever starts next goes on with it."""


def finish(ledger: Ledger, run_id: str, end: End, now: datetime) -> None:
    """Record a run's end and give its lease free, in one transaction."""
    with ledger.transaction() as connection:
        held = connection.execute(LEASES.delete().where(LEASES.c.run_id == run_id))
        if held.rowcount:
            ledger.end_run(connection, run_id, end.status, now, end.error)
            cut_short = end.interrupted and end.status == plan.CANCELLED
            connection.execute(
                RUNS.update().where(RUNS.c.id == run_id).values(interrupted=cut_short)
            )


def request_cancel(ledger: Ledger, run_id: str) -> None:
    """Ask a run, wherever it is, to stop; it answers at its next heartbeat."""
    with ledger.transaction() as connection:
        connection.execute(RUNS.update().where(RUNS.c.id == run_id).values(cancel_requested=True))


def bury(ledger: Ledger, now: datetime) -> list[str]:
    """Record every run whose process is dead as failed; return their ids."""
    with ledger.transaction() as connection:
        held = connection.execute(sa.select(LEASES)).all()
        dead = [lease for lease in held if is_dead(lease, now)]
        for lease in dead:
            _bury(ledger, connection, lease)
        return [lease.run_id for lease in dead]


def is_dead(lease: Row[Any], now: datetime) -> bool:
    """Tell whether a lease's holder is gone: its process here, its heartbeat elsewhere."""
    if lease.host == process.host():
        if lease.process == process.identity():
            return lease.run_id not in _HELD
        return not process.is_alive(lease.process)
    return bool(now - lease.heartbeat_at > STALE)


def _free(ledger: Ledger, connection: Connection, job: str, warehouse: str, now: datetime) -> None:
    if connection.dialect.name == "postgresql":
        # Two runners that start in the same instant queue up here.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(job))))
    found = connection.execute(
        sa.select(LEASES).where(LEASES.c.job == job, LEASES.c.warehouse == warehouse)
    ).first()
    if found and not is_dead(found, now):
        raise AlreadyRunning(
            f"Cannot start the job '{job}': the run {found.run_id} is at work on '{warehouse}' "
            f"(process {process.pid_of(found.process)} on {found.host}). Wait for it, or stop it "
            f"by `tidemill cancel {found.run_id}`."
        )
    if found:
        _bury(ledger, connection, found)


def _refuse_second(connection: Connection, claim: Claim) -> None:
    if claim.scheduled_for is None:
        return
    found = connection.execute(
        sa.select(RUNS.c.id).where(
            RUNS.c.job == claim.name,
            RUNS.c.warehouse == claim.warehouse,
            RUNS.c.scheduled_for == claim.scheduled_for,
        )
    ).scalar()
    if found:
        raise AlreadyFired(
            f"The job '{claim.name}' has had its run for {claim.scheduled_for}: {found}."
        )


def _take(connection: Connection, job: str, warehouse: str, run_id: str, now: datetime) -> None:
    _HELD.add(run_id)
    connection.execute(
        LEASES.insert().values(
            job=job,
            warehouse=warehouse,
            run_id=run_id,
            host=process.host(),
            process=process.identity(),
            heartbeat_at=now,
        )
    )


def _bury(ledger: Ledger, connection: Connection, lease: Row[Any]) -> None:
    connection.execute(LEASES.delete().where(LEASES.c.run_id == lease.run_id))
    connection.execute(
        STEPS.update()
        .where(STEPS.c.run_id == lease.run_id, STEPS.c.status == plan.RUNNING)
        .values(status=plan.FAILED, error=DIED, completed_at=lease.heartbeat_at)
    )
    ledger.end_run(connection, lease.run_id, plan.FAILED, lease.heartbeat_at, DIED)
    connection.execute(RUNS.update().where(RUNS.c.id == lease.run_id).values(interrupted=True))
