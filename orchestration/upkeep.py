"""Keeps the state small and safe: forget what is old, back the warehouse up, compact it."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from orchestration import plan
from orchestration.errors import OrchestrationError
from orchestration.ledger_schema import DELIVERIES, LOADS, RUNS, STEPS, TABLES
from orchestration.logs import ASIDE

if TYPE_CHECKING:
    from loaders.warehouse import Target
    from orchestration.ledger import Ledger
    from orchestration.settings import Settings

CHUNK: Final = 500
"""Ids in one statement; SQLite takes no end of them."""
IDLE_KEPT: Final = timedelta(days=2)
LOG_BYTES: Final = 50 * 2**20
"""A log that grew beyond this is put aside; the one put aside before goes."""


def retain(current: Settings, ledger: Ledger, days: int, now: datetime) -> dict[str, int]:
    """Forget runs that ended more than so many days ago, with their files; keep logs bounded.

    The totals behind the metrics, the schedules, and the record of recent loads stay.
    """
    old = forget_runs(ledger, now - timedelta(days=days))
    old += forget_runs(ledger, now - IDLE_KEPT, only_idle=True)
    for run_id in old:
        shutil.rmtree(current.artifacts(run_id), ignore_errors=True)
        (current.reports / f"{run_id}.html").unlink(missing_ok=True)
    logs = [log for log in current.logs.glob("*") if log.suffix in {".log", ".jsonl"}]
    grown = [log for log in logs if log.stat().st_size > LOG_BYTES]
    for log in grown:
        log.replace(log.with_name(log.name + ASIDE))
    return {"runs_forgotten": len(old), "logs_put_aside": len(grown)}


def forget_runs(ledger: Ledger, before: datetime, *, only_idle: bool = False) -> list[str]:
    """Delete runs that ended before a time from the ledger, and return their ids.

    Args:
        ledger: the ledger.
        before: the time.
        only_idle: only completed micro-batches that found nothing new.
    """
    query = sa.select(RUNS.c.id).where(RUNS.c.completed_at < before)
    if only_idle:
        busy = sa.select(DELIVERIES.c.run_id).where(DELIVERIES.c.successful > 0)
        query = query.where(
            RUNS.c.trigger == "schedule",
            RUNS.c.status == plan.COMPLETED,
            RUNS.c.records_processed == 0,
            RUNS.c.id.not_in(busy),
            RUNS.c.job.in_(_frequent()),
        )
    with ledger.transaction() as connection:
        old = list(connection.execute(query).scalars())
        for start in range(0, len(old), CHUNK):
            ids = old[start : start + CHUNK]
            for table in (STEPS, TABLES, DELIVERIES, LOADS):
                connection.execute(table.delete().where(table.c.run_id.in_(ids)))
            connection.execute(RUNS.delete().where(RUNS.c.id.in_(ids)))
    return old


def _frequent() -> list[str]:
    from orchestration.jobs import JOBS

    return [name for name, job in JOBS.items() if job.schedule and job.schedule.every]


def backup(current: Settings, name: str, keep: int) -> dict[str, Any]:
    """Copy the warehouse and the ledger to var/backups, whole or not at all; keep the newest.

    Raises:
        OrchestrationError: the copy could not be made; earlier ones are untouched.
    """
    folder = current.var / "backups"
    folder.mkdir(parents=True, exist_ok=True)
    for cut_off in folder.glob(f"{current.target.name}-*.tmp"):
        cut_off.unlink()  # by a kill: only one at a time comes here
    copy = _copy_duckdb if current.target.path else _dump_postgres
    made = copy(current.target, folder / f"{current.target.name}-{name}")
    if current.ledger_url.startswith("sqlite:///"):
        _copy_ledger(Path(current.ledger_url.removeprefix("sqlite:///")), made)
    kept = sorted(folder.glob(f"{current.target.name}-*{made.suffix}"))
    for old in kept[:-keep]:
        old.unlink()
        old.with_suffix(".ledger.sqlite").unlink(missing_ok=True)
    return {"backup": str(made), "bytes": made.stat().st_size, "kept": min(len(kept), keep)}


def _copy_duckdb(target: Target, place: Path) -> Path:
    """Copy the file as it is after a checkpoint; the caller keeps other writers away."""
    made, aside = place.with_suffix(".duckdb"), place.with_suffix(".tmp")
    with target.connect() as connection:
        connection.execute("checkpoint")
    shutil.copyfile(str(target.path), aside)
    aside.replace(made)
    return made


def _copy_database(target: Target, aside: Path) -> None:
    import duckdb

    escaped = str(aside).replace("'", "''")
    with target.connect() as connection:
        name = connection.scalar("select current_database()")
        try:
            connection.execute("checkpoint")
            connection.execute(f"attach '{escaped}' as aside")
            connection.execute(f'copy from database "{name}" to aside')
            connection.execute("detach aside")
        except duckdb.Error as error:
            raise OrchestrationError(
                f"Cannot copy the warehouse '{target.place}' to '{aside}': "
                f"{str(error).splitlines()[0]}. Nothing was changed; make room there and try again."
            ) from error


def _dump_postgres(target: Target, place: Path) -> Path:
    made, aside = place.with_suffix(".dump"), place.with_suffix(".tmp")
    program = shutil.which("pg_dump")
    if program is None:
        raise OrchestrationError(
            "Cannot back up PostgreSQL: pg_dump is not on the PATH. Install PostgreSQL's client "
            "programs, of the server's version or newer."
        )
    command = [program, "--format=custom", f"--file={aside}", f"--dbname={target.dsn}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = " ".join(done.stderr.split())
        raise OrchestrationError(f"Cannot back up '{target.place}': {reason}. Nothing was changed.")
    aside.replace(made)
    return made


def _copy_ledger(ledger: Path, beside: Path) -> None:
    import sqlite3
    from contextlib import closing

    place = beside.with_suffix(".ledger.sqlite")
    place.unlink(missing_ok=True)
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("vacuum into ?", (str(place),))


def compact(target: Target) -> dict[str, Any]:
    """Give space back that updates left behind: a fresh DuckDB file, or PostgreSQL's VACUUM."""
    if target.path is None:
        with target.connect() as connection:
            connection.execute("vacuum (analyze)")
        return {"compacted": target.place}
    before = target.path.stat().st_size
    aside = target.path.with_name(f"{target.path.name}.{os.getpid()}.tmp")
    aside.unlink(missing_ok=True)
    _copy_database(target, aside)
    aside.replace(target.path)
    target.path.with_name(target.path.name + ".wal").unlink(missing_ok=True)
    return {"compacted": target.place, "before": before, "after": target.path.stat().st_size}
