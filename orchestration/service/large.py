"""Large batches: kept on disk when they arrive, applied chunk by chunk, none of it twice."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import orjson
import sqlalchemy as sa

from loaders.intake.store import ITEMS, superseded
from orchestration import plan
from orchestration.errors import LedgerFailed
from orchestration.service import batches, kept_answers, spool
from orchestration.service import items as items_
from orchestration.service.store import BATCHES, CHUNKS

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from orchestration.clock import Clock
    from orchestration.service.configuration import Limits
    from orchestration.service.counters import Counters
    from orchestration.service.store import Store

OPEN: Final = (plan.PENDING, plan.RUNNING)
LOOK: Final = 1.0
"""Seconds between two looks for work."""
BREATH: Final = 0.002
"""Seconds between two chunks, in which others write."""
TIDY: Final = timedelta(minutes=10)


class Worker:
    """The thread that applies large batches; of all servers on a store, one has it at work."""

    def __init__(
        self, store: Store, folder: Path, limits: Limits, counters: Counters, clock: Clock
    ) -> None:
        self.store = store
        self.folder = folder
        self.limits = limits
        self.counters = counters
        self.clock = clock
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._tidied: datetime | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to work; what an earlier server left is taken up where it stood."""
        self._thread = threading.Thread(target=self._live, name="large-batches", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Say that there is work."""
        self._wake.set()

    def close(self) -> None:
        """Stop after the chunk at hand; the next server goes on there."""
        self._stop.set()
        self._wake.set()
        if self._thread:
            self._thread.join()

    def _live(self) -> None:
        from filelock import FileLock, Timeout

        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / "worker.lock", timeout=0, thread_local=False)
        while not self._stop.is_set():
            try:
                with lock:
                    self._work()
            except (Timeout, LedgerFailed, OSError):
                # another server works, or the disk or the database is away: looked at again
                self._stop.wait(LOOK)

    def _work(self) -> None:
        while not self._stop.is_set():
            self._tidy(self.clock.now())
            batch_id = self._next()
            if batch_id is None:
                self._wake.wait(LOOK)
                self._wake.clear()
                continue
            while not self._stop.is_set() and self.step(batch_id):
                self._stop.wait(BREATH)

    def _next(self) -> str | None:
        """Return the batch to work on; of a store that several machines share, one that is here."""
        query = (
            sa.select(BATCHES.c.id)
            .where(BATCHES.c.status.in_(OPEN))
            .order_by(BATCHES.c.created_at, BATCHES.c.id)
        )
        with self.store.reading() as connection:
            found = list(connection.execute(query).scalars())
        here = (each for each in found if spool.items_path(self.folder, each).exists())
        return next(here, None if self.store.is_shared else next(iter(found), None))

    def step(self, batch_id: str) -> bool:
        """Apply the next chunk of a batch; tell whether more is to do.

        A batch that cannot be applied fails, and those behind it have their turn.
        """
        try:
            return self._apply(batch_id)
        except (LedgerFailed, OSError):
            raise
        except Exception as error:  # noqa: BLE001  told to whoever asks for the batch
            told = f"Its next items cannot be applied: {type(error).__name__}: {error}"
            return self._end(batch_id, plan.FAILED, self.clock.now(), told)

    def _apply(self, batch_id: str) -> bool:
        """Apply the next chunk, all in one transaction."""
        with self.store.reading() as connection:
            row = connection.execute(sa.select(BATCHES).where(BATCHES.c.id == batch_id)).one()
        now = self.clock.now()
        if row.cancel_requested:
            return self._end(batch_id, plan.CANCELLED, now)
        try:
            lines, read_bytes = spool.read_chunk(self.folder, batch_id, row.read_bytes)
        except FileNotFoundError:
            return self._end(batch_id, plan.FAILED, now, "The batch's file is gone from the disk.")
        if not lines:
            return self._end(batch_id, plan.COMPLETED, now)
        checked = [_checked(row.resource, line) for line in lines]
        with self.store.writing() as connection:
            keys = [item.key for item in checked]
            standing = items_.current(connection, row.resource, keys)
            done = items_.apply(
                checked, standing, resource=row.resource, batch_id=batch_id, now=now
            )
            batches.insert(connection, done.rows)
            self._note(connection, row, done, read_bytes, now)
        self.counters.items(row.resource, len(done.rows), done.failed)
        return True

    def _note(
        self, connection: sa.Connection, row: Any, done: items_.Applied, read: int, now: datetime
    ) -> None:
        end = spool.append_results(self.folder, row.id, row.result_bytes, done.results)
        chunk = {"batch_id": row.id, "first_item": row.done, "result_bytes": row.result_bytes}
        connection.execute(CHUNKS.insert().values(**chunk))
        connection.execute(
            BATCHES.update()
            .where(BATCHES.c.id == row.id)
            .values(
                status=plan.RUNNING,
                done=row.done + len(done.results),
                successful=row.successful + len(done.rows),
                failed=row.failed + done.failed,
                read_bytes=read,
                result_bytes=end,
                started_at=row.started_at or now,
            )
        )

    def _end(self, batch_id: str, status: str, now: datetime, error: str | None = None) -> bool:
        with self.store.writing() as connection:
            connection.execute(
                BATCHES.update()
                .where(BATCHES.c.id == batch_id, BATCHES.c.status.in_(OPEN))
                .values(status=status, error=error, completed_at=now)
            )
        return False

    def _tidy(self, now: datetime) -> None:
        """Now and then, delete what has been kept for long enough, and files of nobody."""
        if self._tidied and now - self._tidied < TIDY:
            return
        self._tidied = now
        hours = self.limits.keep_hours
        kept_answers.forget(self.store, now=now, hours=hours)
        for batch_id in self._forgotten(now - timedelta(hours=hours)):
            spool.remove(self.folder, batch_id)
        self._cut_log(now - timedelta(days=self.limits.keep_days))
        self._remove_strays(now)

    def _forgotten(self, oldest: datetime) -> list[str]:
        old = sa.select(BATCHES.c.id).where(BATCHES.c.completed_at < oldest)
        with self.store.writing() as connection:
            found = list(connection.execute(old).scalars())
            connection.execute(CHUNKS.delete().where(CHUNKS.c.batch_id.in_(found)))
            connection.execute(BATCHES.delete().where(BATCHES.c.id.in_(found)))
        return found

    def _cut_log(self, oldest: datetime) -> None:
        """Cut the intake's log in pieces, between which others write."""
        before, found = oldest.replace(tzinfo=None), [0]
        while found and not self._stop.is_set():
            with self.store.reading() as connection:
                found = superseded(connection, before, after=found[-1])
            with self.store.writing() as connection:
                connection.execute(ITEMS.delete().where(ITEMS.c.sequence.in_(found)))
            self._stop.wait(BREATH)

    def _remove_strays(self, now: datetime) -> None:
        """Delete files whose sender never got an answer: its server died while they came in."""
        with self.store.reading() as connection:
            known = set(connection.execute(sa.select(BATCHES.c.id)).scalars())
        for path in self.folder.glob("b*.*"):
            age = now.timestamp() - path.stat().st_mtime
            if path.stem not in known and age > timedelta(hours=1).total_seconds():
                path.unlink(missing_ok=True)


def _checked(resource: str, line: bytes) -> items_.Checked:
    try:
        item = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return items_.Checked(given_id=None, error=f"The line is no JSON: {error}.")
    return items_.check(resource, item)
