"""A disk that is soon full."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import pytest

from tests.faults.small import Small

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def small() -> Iterator[Small]:
    """A file system of 160 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder = Path(mkdtemp(prefix="tidemill-small-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small file system")
    try:
        yield Small(folder)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()
