"""Steps for the tests of the workers: one works, one hangs, one dies, one fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestration.steps import Request

    Emit = Callable[[dict[str, Any]], None]


def load(request: Request, emit: Emit) -> Outcome:
    emit({"table": "t", "rows": 3})
    return Outcome(detail={"pid": os.getpid(), "argument": request.argument})


def look(request: Request, emit: Emit) -> Outcome:
    return Outcome(detail={"unchanged": request.argument == "same", "looked": True})


def hang(request: Request, emit: Emit) -> Outcome:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(request.argument).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(600)
    return Outcome()


def babble(request: Request, emit: Emit) -> Outcome:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    begun = time.monotonic()
    while time.monotonic() - begun < 60:
        emit({"table": request.argument, "rows": 1})
    return Outcome()


def vanish(request: Request, emit: Emit) -> Outcome:
    os._exit(9)


def refuse(request: Request, emit: Emit) -> Outcome:
    raise ConnectionError("nobody there")
