"""A warm process that forks one child for each step, so that a step can be ended and frees all.

`python -m orchestration.worker <control fd> <module,…>` imports the modules once, and again and
again takes a socket from its parent and forks a child that answers on it. The child's end frees the
DuckDB file. When the parent is gone, even by kill -9, the children end themselves.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import socket
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from orchestration.outcome import Outcome


def main(control_fd: int, names: list[str]) -> None:
    """Serve until the parent closes its end of the control socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=control_fd)
    modules, trouble = _import(names)
    gc.collect()
    gc.freeze()
    while descriptors := socket.recv_fds(control, 1, 1)[1]:
        _reap()
        trouble = trouble or _prepare(modules)
        if os.fork() == 0:
            control.close()
            _answer(Connection(descriptors[0]), trouble)
        os.close(descriptors[0])


def _import(names: list[str]) -> tuple[list[ModuleType], str]:
    try:
        modules = [importlib.import_module(name) for name in names]
    except Exception:  # noqa: BLE001  told to whoever asks for a step
        return [], traceback.format_exc()
    return modules, _prepare(modules)


def _prepare(modules: list[ModuleType]) -> str:
    """Let each module make ready, in this process, what all children then share."""
    try:
        for module in modules:
            getattr(module, "prepare", lambda: None)()
    except Exception:  # noqa: BLE001  told to whoever asks for a step
        return traceback.format_exc()
    return ""


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _answer(connection: Connection, trouble: str) -> None:
    """Run the step that is asked for, tell what came of it, and end this process."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        connection.send(("pid", os.getpid()))
        function, arguments, log = connection.recv()
        threading.Thread(target=_die_with_parent, args=(connection,), daemon=True).start()
        _redirect(Path(log))
        if trouble:
            raise RuntimeError(trouble)  # noqa: TRY301  one place tells all errors
        outcome = _resolve(function)(*arguments, lambda event: connection.send(("event", event)))
        _drop_if_empty(Path(log))
        connection.send(("outcome", outcome))
    except BaseException as error:  # noqa: BLE001  the parent decides what to do with it
        with contextlib.suppress(OSError):
            connection.send(("error", described(error)))
        with contextlib.suppress(OSError):  # the disk of the log may be full
            traceback.print_exc()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)


def described(error: BaseException) -> dict[str, Any]:
    """Return an error as plain data: its sentence, and whether a second try makes sense."""
    transient = isinstance(error, (ConnectionError, TimeoutError))
    expected = type(error).__module__.startswith(("loaders.", "orchestration.", "demo."))
    text = str(error) if expected else _unexpected(error)
    return {
        "message": text,
        "retryable": bool(getattr(error, "can_be_retried", getattr(error, "retryable", transient))),
        "detail": getattr(error, "detail", {}),
        "traceback": "".join(traceback.format_exception(error)),
        "outcome": getattr(error, "outcome", None),
    }


def _unexpected(error: BaseException) -> str:
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1].strip() if lines else 'no more is known'}"


def _resolve(function: str) -> Callable[..., Outcome]:
    module, _, name = function.partition(":")
    found: Callable[..., Outcome] = getattr(importlib.import_module(module), name)
    return found


def _redirect(log: Path) -> None:
    """Send what libraries print to the step's own log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def _drop_if_empty(log: Path) -> None:
    sys.stdout.flush()
    if log.stat().st_size == 0:
        log.unlink()


def _die_with_parent(connection: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        connection.recv()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]), [name for name in sys.argv[2].split(",") if name])
