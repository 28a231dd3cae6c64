"""Single commands that are killed at any moment and run again end as undisturbed ones."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.worlds import WORLDS

pytestmark = pytest.mark.endurance

LIVES = os.environ.get("TIDEMILL_FAULT_LIVES", "2")
"""Lives of each world on each kind of warehouse; docs/reliability.md tells of the long runs."""


@pytest.mark.parametrize("target", ["duckdb", "postgres"])
@pytest.mark.parametrize("world", sorted(WORLDS))
def test_killed_anywhere(world: str, target: str) -> None:
    seed = str(random.randrange(10**6))  # noqa: S311
    words = ["--target", target, "--world", world, "--lives", LIVES, "--seed", seed]
    command = [sys.executable, "-m", "tests.faults.kills", *words]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kills survived" in done.stdout
