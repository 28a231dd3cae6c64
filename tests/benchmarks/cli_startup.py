"""Prints the CPU seconds of `tidemill --help` beside those of `python -c pass`; fails over 0.3."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

LIMIT = 0.3
ROUNDS = 5
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "tidemill --help": [sys.executable, "-m", "orchestration", "--help"],
    "tidemill jobs": [sys.executable, "-m", "orchestration", "jobs"],
}


def cpu_seconds(command: list[str]) -> float:
    """Return the user and system time of one run of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Measure, print, and return the exit code."""
    medians = {
        name: statistics.median(cpu_seconds(command) for _ in range(ROUNDS))
        for name, command in COMMANDS.items()
    }
    for name, seconds in medians.items():
        sys.stdout.write(f"{name:16} {seconds:.3f} s of CPU\n")
    return 0 if medians["tidemill --help"] < LIMIT else 1


if __name__ == "__main__":
    raise SystemExit(main())
