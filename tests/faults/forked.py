"""Commands in forks of a warm process, killed at any moment: no interpreter starts for each."""

from __future__ import annotations

import importlib
import os
import select
import signal
import sys
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loaders import SOURCES
from loaders.warehouse import Target
from orchestration import cli, commands, worker
from orchestration.errors import StepFailed
from orchestration.ledger import Ledger
from orchestration.steps import KINDS
from tests.faults.chain import counted, tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestration.outcome import Outcome
    from orchestration.steps import Request


def warm(sources: Mapping[str, str]) -> None:
    """Import all that commands need, and make sources known; nothing is opened."""
    SOURCES.update(sources)  # type: ignore[attr-defined]
    names = [*KINDS["load"].preload.split(","), *sources.values(), "orchestration.cli"]
    _, trouble = worker._import(names)
    assert not trouble, trouble


def learn(place: Place, *words: str) -> int:
    """Do a command, and import here what it imported there, so that no other waits for it."""
    names = place.var / "modules.txt"
    place.variables["FORKED_MODULES"] = str(names)
    code = place.run(*words)
    del place.variables["FORKED_MODULES"]
    if names.exists():
        for name in names.read_text().split():
            with suppress(Exception):
                importlib.import_module(name)
    return code


class Here:
    """Does the steps of a run in the process of the run, so that one kill ends both."""

    def __init__(self, *_: object) -> None: ...

    def warm(self, kinds: set[str]) -> None:
        """There is nothing to make ready."""

    def close(self) -> None:
        """There is nothing to end."""

    def execute(self, request: Request, *, emit: Any, **_: Any) -> Outcome:
        """Do one step."""
        try:
            return worker._resolve(KINDS[request.kind].function)(request, emit)
        except Exception as error:
            raise StepFailed(**worker.described(error)) from error


@dataclass(kw_only=True)
class Place:
    """A state directory and its warehouse."""

    var: Path
    dsn: str | None = None
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def target(self) -> Target:
        if self.dsn:
            return Target(name="postgres", kind="postgres", dsn=self.dsn)
        return Target(name="duckdb", kind="duckdb", path=self.var / "warehouse.duckdb")

    def begin(self, *words: str) -> int:
        """Start a command of `tidemill` in a fork; return its pid."""
        self.var.mkdir(parents=True, exist_ok=True)
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._live(words)
        return pid

    def run(self, *words: str, seconds: float | None = None) -> int:
        """Do a command, killed after so many seconds if it still runs; return its exit code."""
        return end(self.begin(*words), seconds)

    def told(self) -> str:
        """Return what the last commands told."""
        return (self.var / "told.log").read_text()

    def tables(self) -> dict[str, tuple[int, str]]:
        """Return the count and the fingerprint of every table's rows, whatever their order."""
        with self.target.connect() as connection:
            return tables(connection)

    def accounting(self) -> dict[str, tuple[int, int]]:
        """Return the rows loaded and rejected of each table, over all runs; the sums must fit."""
        ledger = Ledger.open(self.dsn or f"sqlite:///{self.var / 'ledger.sqlite'}")
        with closing(ledger):
            return counted(ledger.runs(1000))

    def _live(self, words: tuple[str, ...]) -> None:
        """Be the command, to the end of this process."""
        log = os.open(self.var / "told.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.update(self.variables)
        os.environ.update(
            TIDEMILL_VAR=str(self.var), TIDEMILL_TARGET="postgres" if self.dsn else "duckdb"
        )
        name, place = ("POSTGRES_DSN", self.dsn) if self.dsn else ("DUCKDB_PATH", self.target.path)
        os.environ[f"TIDEMILL_{name}"] = str(place)
        code: Any = os.EX_SOFTWARE
        commands.Workers = Here  # type: ignore[misc,assignment]
        try:
            cli.main(list(words))
        except SystemExit as ended:
            code = ended.code
        finally:
            if "FORKED_MODULES" in os.environ:
                Path(os.environ["FORKED_MODULES"]).write_text("\n".join(sys.modules))
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code or 0)


def end(pid: int, seconds: float | None = None) -> int:
    """Wait for a fork, and kill it after so many seconds; return its exit code."""
    ended = os.pidfd_open(pid)
    select.select([ended], [], [], seconds)
    os.close(ended)
    if seconds is not None:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)
