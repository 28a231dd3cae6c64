"""Figures become a table with ratios, and a section replaces only itself on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.benchmarks import figures
from tests.benchmarks.figures import Figure, Run, Section, hand_in

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def section(title: str, wall: float) -> Section:
    return Section(
        title=title,
        command="python -m tests.benchmarks.bench_it",
        figures=[
            Figure(work="it", contender="limit", runs=[Run(wall=2, cpu=1), Run(wall=3, cpu=1)]),
            Figure(work="it", contender="ours", runs=[Run(wall=wall, cpu=2, peak=512)]),
            Figure(work="other", contender="alone", runs=[Run(wall=1)], comes_to="9/s (5/s)"),
        ],
        notes=["A note."],
    )


def test_a_section_replaces_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "benchmarks.md"
    monkeypatch.setattr(figures, "PAGE", page)
    hand_in(section("One", 5))
    assert not page.exists()
    monkeypatch.setenv(figures.KEEP, "1")
    for one in (section("One", 5), section("Two", 5), section("One", 10)):
        hand_in(one)
    text = page.read_text()
    assert text.startswith("# Benchmarks\n\nWritten by `make bench`")
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## One", "## Two"]
    assert "| it | limit | 2.50 | 1.00 | 1.00 | 1.00 |  |  |" in text
    assert "|  | ours | 10.00 | 2.00 | 4.00 | 2.00 | 512 |  |" in text
    assert "|  | ours | 5.00 | 2.00 | 2.00 | 2.00 | 512 |  |" in text
    assert "| other | alone | 1.00 |  | 1.00 |  |  | 9/s (5/s) |" in text
    assert "A note." in capsys.readouterr().out
