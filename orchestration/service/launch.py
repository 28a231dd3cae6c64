"""Starts runs in processes of their own, and tells which run each became."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from orchestration import process
from orchestration.errors import AlreadyRunning, NameUnknown
from orchestration.ledger_schema import RUNS
from orchestration.service.problems import Refused

if TYPE_CHECKING:
    from typing import IO

    from orchestration.clock import Clock
    from orchestration.ledger import Ledger
    from orchestration.settings import Settings

PATIENCE: Final = 20.0
"""Seconds for a process to begin its run."""
LOOK: Final = 0.05


class Launcher:
    """Starts runs. They go on when the service ends: a later one finds them in the ledger."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock

    def start(self, ledger: Ledger, what: str, name: str) -> str:
        """Run a job (`run`) or go on with a run (`resume`); return the run's id.

        Raises:
            AlreadyRunning: a living run of the job holds the lease.
            NameUnknown: there is no such job or run, or nothing to resume.
            Refused: the process ended or did not begin in time.
        """
        command = [sys.executable, "-m", "orchestration.service.child", what, name]
        with tempfile.TemporaryFile() as said:
            child = subprocess.Popen(
                command,
                cwd=self.settings.home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
                env={**os.environ, "TIDEMILL_TARGET": self.settings.target.name},
            )
            identity = process.identity(child.pid)
            threading.Thread(target=child.wait, daemon=True).start()
            return self._begun(ledger, child, identity, said)

    def _begun(
        self, ledger: Ledger, child: subprocess.Popen[bytes], identity: str, said: IO[bytes]
    ) -> str:
        deadline = self.clock.monotonic() + PATIENCE
        still = threading.Event()
        while self.clock.monotonic() < deadline:
            code = child.poll()
            if run_id := self._found(ledger, identity):
                return run_id
            if code is not None:
                said.seek(0)
                raise _ended(code, said.read().decode("utf-8", "replace"))
            self.clock.wait(still, LOOK)
        child.terminate()
        raise Refused(503, f"The run did not begin within {PATIENCE:g} s. See var/logs.")

    def _found(self, ledger: Ledger, identity: str) -> str | None:
        query = sa.select(RUNS.c.id).where(
            RUNS.c.process == identity, RUNS.c.host == process.host()
        )
        with ledger.transaction() as connection:
            found: str | None = connection.execute(query).scalar()
        return found


def _ended(code: int, said: str) -> Exception:
    """Return the error for a process that ended before its run began."""
    sentence = said.strip().rpartition("\n")[2] or f"The process ended with code {code}."
    if code == os.EX_TEMPFAIL:
        return AlreadyRunning(sentence)
    if sentence.startswith(("No job", "No run", "Nothing to resume")):
        return NameUnknown(sentence)
    return Refused(503, sentence)
