"""The demo's commands advance a shop and print its truth."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from demo.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_advance_and_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--directory", str(tmp_path / "shop"), "--scale", "0.1"]
    assert main(["advance", *where]) == 0
    assert main(["truth", *where]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "day 1"
    assert len(lines) == 1 + 4 * 6
    assert "raw_counts\tshop_db\tproducts\t19" in lines


def test_an_error_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["truth", "--directory", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("No truth for day 0 in ")


def test_importing_demo_imports_nothing_heavy() -> None:
    import subprocess

    script = "import sys, demo; print(sorted({'duckdb', 'redis', 'fastapi'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
