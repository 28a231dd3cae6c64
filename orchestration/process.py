"""Who a process is, so that a dead one is never taken for a living one."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def host() -> str:
    """Return this machine's name."""
    return socket.gethostname()


def identity(pid: int | None = None) -> str:
    """Return `<pid>:<start>`: a pid alone is given to another process soon after a crash."""
    pid = os.getpid() if pid is None else pid
    return f"{pid}:{_started(pid)}"


def is_alive(process: str) -> bool:
    """Tell whether the process of this identity, on this machine, still runs."""
    pid, _, started = process.partition(":")
    if not pid.isdigit() or not _exists(int(pid)):
        return False
    return _started(int(pid)) == started


def pid_of(process: str) -> int:
    """Return the pid in an identity."""
    return int(process.partition(":")[0])


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _started(pid: int) -> str:
    """Return the kernel's start time of a process (Linux), or '' where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]
