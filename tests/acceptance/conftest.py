"""A copy of the project that a test may change."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.command import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PARTS = (".dlt", "dbt_project", "demo", "loaders", "orchestration", "profiles", "pyproject.toml")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "target", "logs", "secrets.toml")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, with the environment of this one."""
    copy = tmp_path / "project"
    copy.mkdir()
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, copy / part, symlinks=True, ignore=LEFT_OUT)
        else:
            shutil.copy(source, copy)
    (copy / ".venv").symlink_to(sys.prefix)
    return copy
