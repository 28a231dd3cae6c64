"""One process at a time writes to a PostgreSQL warehouse, whichever machine it is on."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from loaders.errors import WarehouseBusy
from loaders.warehouse import Target

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import json, sys, time
from loaders.warehouse import Target
with Target(**json.loads(sys.argv[1])).exclusive():
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(facts: dict[str, str], var: Path) -> subprocess.Popen[str]:
    """Hold the right to write in a process with a state directory of its own, as elsewhere."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, json.dumps(facts)],
        env={"TIDEMILL_VAR": str(var), "PATH": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_another_machine_waits_until_the_writer_ends_or_dies(postgres: str, tmp_path: Path) -> None:
    facts = {"name": "postgres", "kind": "postgres", "dsn": postgres}
    target = Target(**facts)
    with holder(facts, tmp_path / "elsewhere") as other:
        with (
            pytest.raises(WarehouseBusy, match="another run or loader has been writing"),
            target.exclusive(timeout=0.3),
        ):
            pass
        other.kill()
        other.wait()
        with target.exclusive(timeout=30), target.exclusive(timeout=0):
            pass
        assert other.stdin is not None
        other.stdin.close()
    with holder(facts, tmp_path / "third") as third:
        third.communicate("")
    assert third.returncode == 0
