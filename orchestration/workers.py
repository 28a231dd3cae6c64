"""The runner's side of its warm processes: ask for a step, hear of it, end it when it must end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Final

from orchestration.clock import Clock
from orchestration.errors import Cancelled, StepDied, StepFailed, StepTimedOut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from orchestration.outcome import Outcome
    from orchestration.steps import Request

    Emit = Callable[[dict[str, Any]], None]

GRACE: Final = 3.0
"""Seconds between asking a step to end and ending it."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How a kind of step is done: the function, and the warm process that runs it."""

    function: str
    """`module:function`; takes a Request and an emit function, returns an Outcome."""
    preload: str
    """Modules that the warm process imports beforehand, separated by commas."""
    shortcut: Kind | None = None
    """Asked first when the step may be left as it is; what it finds `unchanged` is left so."""


class Workers:
    """The warm processes, one for each set of preloaded modules, started when first needed."""

    def __init__(self, kinds: Mapping[str, Kind], log: Path, clock: Clock | None = None) -> None:
        self.kinds = kinds
        self.log = log
        self.clock = clock or Clock()
        self._warm: dict[str, _Warm] = {}
        self._lock = threading.Lock()

    def warm(self, kinds: set[str]) -> None:
        """Start the processes that these kinds of step need, so that they are ready in time."""
        for kind in sorted(kinds):
            self._process(self.kinds[kind].preload)

    def execute(
        self, request: Request, *, timeout: float, stop: threading.Event, emit: Emit
    ) -> Outcome:
        """Run one step in a child process and return what it hands back.

        Raises:
            StepFailed: the step raised.
            StepDied: its process ended without a word.
            StepTimedOut: it was ended, with its children, after `timeout` seconds.
            Cancelled: it was ended because `stop` was set.
        """
        kind = self.kinds[request.kind]
        if kind.shortcut and request.only_new and request.before and not request.has_news:
            outcome = self._call(kind.shortcut, request, timeout, stop, emit)
            if outcome.detail.get("unchanged"):
                return outcome
        return self._call(kind, request, timeout, stop, emit)

    def _call(
        self, kind: Kind, request: Request, timeout: float, stop: threading.Event, emit: Emit
    ) -> Outcome:
        process = self._process(kind.preload)
        try:
            call = _Call(process, process.connect(), request)
            call.connection.send((kind.function, (request,), str(request.log)))
        except ConnectionError:
            raise _dead(request) from None
        with call.connection:
            return call.follow(self.clock, timeout, stop, emit)

    def close(self) -> None:
        """End all warm processes and whatever they still run."""
        with self._lock:
            for process in self._warm.values():
                process.close()
            self._warm.clear()

    def _process(self, preload: str) -> _Warm:
        with self._lock:
            found = self._warm.get(preload)
            if found is not None and not found.alive():
                found.close()
                found = None
            if found is None:
                found = self._warm[preload] = _Warm(preload, self.log)
            return found


class _Warm:
    """One warm process and the socket over which it is asked for children."""

    def __init__(self, preload: str, log: Path) -> None:
        self.control, theirs = socket.socketpair()
        command = [sys.executable, "-m", "orchestration.worker", str(theirs.fileno()), preload]
        log.parent.mkdir(parents=True, exist_ok=True)
        with theirs, log.open("a") as out:
            self.process = subprocess.Popen(
                command,
                stdout=out,
                stderr=out,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def alive(self) -> bool:
        return self.process.poll() is None

    def connect(self) -> Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self.control, [b"."], [theirs.fileno()])
        return Connection(ours.detach())

    def close(self) -> None:
        self.control.close()
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class _Call:
    """One step under way in a child of a warm process."""

    def __init__(self, process: _Warm, connection: Connection, request: Request) -> None:
        self.process = process
        self.connection = connection
        self.request = request
        self.pid = 0

    def follow(self, clock: Clock, timeout: float, stop: threading.Event, emit: Emit) -> Outcome:
        deadline = clock.monotonic() + timeout
        while True:
            if self.connection.poll(0.1) and (outcome := self._hear(emit)) is not None:
                return outcome
            if stop.is_set():
                self._end(clock)
                raise Cancelled(f"The step '{self.request.step}' was ended on request.")
            if clock.monotonic() > deadline:
                self._end(clock)
                raise StepTimedOut(
                    f"The step '{self.request.step}' was ended with its children: it took longer "
                    f"than {timeout:.0f} s. Its log is {self.request.log}."
                )

    def _hear(self, emit: Emit) -> Outcome | None:
        try:
            kind, content = self.connection.recv()
        except (EOFError, ConnectionError):
            raise _dead(self.request) from None
        if kind == "outcome":
            outcome: Outcome = content
            return outcome
        if kind == "error":
            raise StepFailed(**content)
        if kind == "event":
            emit(content)
        else:
            self.pid = content
        return None

    def _end(self, clock: Clock) -> None:
        """End the child and all it started; come back when it is gone."""
        if not self.pid:
            self.process.close()
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
            if self._gone(clock):
                return

    def _gone(self, clock: Clock) -> bool:
        """Tell whether the child is gone within the time of grace, however much it still tells."""
        deadline = clock.monotonic() + GRACE
        with contextlib.suppress(EOFError, ConnectionError):
            while self.connection.poll(max(deadline - clock.monotonic(), 0.0)):
                self.connection.recv()
                if clock.monotonic() > deadline:
                    break
            return False
        return True


def _dead(request: Request) -> StepDied:
    return StepDied(
        f"The process of the step '{request.step}' ended without a word (killed, or out of "
        f"memory?). Its log is {request.log}."
    )
