"""The command line in a process of its own, as a person starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
TIDEMILL = str(Path(sys.executable).with_name("tidemill"))
SECONDS = 240


@dataclass(frozen=True, kw_only=True)
class Tidemill:
    """The commands on one state directory and one warehouse."""

    var: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    """Set for every command, on top of an environment without any of the project's variables."""

    def __call__(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, from a folder that is not the project's."""
        self.var.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "TIDEMILL_VAR": str(self.var), **self.variables, **variables}
        return subprocess.run(
            [TIDEMILL, *arguments],
            cwd=self.var.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def well(self, *arguments: str, **variables: str) -> str:
        """Run a command that must succeed; return what it wrote."""
        done = self(*arguments, **variables)
        assert done.returncode == 0, f"{arguments}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def answer(self, *arguments: str, **variables: str) -> Any:
        """Run a command that must succeed; return its answer in JSON."""
        return json.loads(self.well(*arguments, "--json", **variables))
