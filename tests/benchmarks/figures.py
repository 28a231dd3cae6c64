"""What benchmarks measured, as tables: printed, and kept in docs/benchmarks.md by `make bench`.

A benchmark hands in one section; the page's other sections stay as they are.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PAGE: Final = Path(__file__).parents[2] / "docs" / "benchmarks.md"
KEEP: Final = "TIDEMILL_BENCH_KEEP"
"""The variable with which figures are written to the page as well."""
INTRODUCTION: Final = """# Benchmarks

Written by `make bench`: every figure below was measured by the command beside it, the contenders
taking turns in processes of their own, and is the median of its runs. Machines differ and are
busy with other things: read the ratios, and CPU seconds before wall seconds. `times` is the wall
time as a multiple of that of the first line of its group; `CPU times` the same of CPU seconds.
"""
LIBRARIES: Final = ("duckdb", "dlt", "pyarrow")
HEAD: Final = ("work", "contender", "wall s", "CPU s", "times", "CPU times", "peak MB", "comes to")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of one contender."""

    wall: float
    """Seconds."""
    cpu: float | None = None
    """Seconds of processor time, of all processes that take part."""
    peak: float | None = None
    """Highest memory, MB (resident set)."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One contender at one piece of work."""

    work: str
    """What was done, such as `1,000,000 rows of csv into DuckDB`; the same for its group."""
    contender: str
    runs: Sequence[Run]
    comes_to: str = ""
    """A figure in its own unit, and what was wanted, such as `31,000 messages/s (20,000)`."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """What one benchmark measured."""

    title: str
    """Its heading on the page, which it replaces there."""
    command: str
    """What was typed."""
    figures: Sequence[Figure]
    """In groups of the same work; the first of a group is what the others are compared with."""
    notes: Sequence[str] = field(default=())
    """Sentences below the table: what was wanted, and what stands in the way where it is missed."""


def hand_in(section: Section) -> None:
    """Print a section, and write it to the page when TIDEMILL_BENCH_KEEP is set."""
    text = _text(section)
    sys.stdout.write(f"\n{text}\n")
    if os.environ.get(KEEP):
        page = PAGE.read_text() if PAGE.exists() else INTRODUCTION
        PAGE.write_text(_replaced(page, section.title, text))


def _text(section: Section) -> str:
    measured = f"{datetime.now(UTC):%Y-%m-%d}, {machine()}"
    lines = [f"## {section.title}", "", f"`{section.command}` ({measured})", "", *_table(section)]
    for note in section.notes:
        lines += ["", note]
    return "\n".join(lines)


def machine() -> str:
    """Return what the figures were measured on, without its name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {libraries}"
    )


def _table(section: Section) -> Iterator[str]:
    yield f"| {' | '.join(HEAD)} |"
    yield f"| --- | --- |{' ---: |' * (len(HEAD) - 3)} --- |"
    bases: dict[str, Figure] = {}
    for figure in section.figures:
        base = bases.setdefault(figure.work, figure)
        is_first = base is figure
        cells = [
            figure.work if is_first else "",
            figure.contender,
            _shown(_wall(figure), 2),
            _shown(_cpu(figure), 2),
            _shown(_ratio(_wall(figure), _wall(base)), 2),
            _shown(_ratio(_cpu(figure), _cpu(base)), 2),
            _shown(max((run.peak for run in figure.runs if run.peak), default=None), 0),
            figure.comes_to,
        ]
        yield f"| {' | '.join(cells)} |"


def _wall(figure: Figure) -> float | None:
    return median(run.wall for run in figure.runs) if figure.runs else None


def _cpu(figure: Figure) -> float | None:
    found = [run.cpu for run in figure.runs if run.cpu is not None]
    return median(found) if found else None


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None


def _shown(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _replaced(page: str, title: str, text: str) -> str:
    """Put a section into the page: in the place of the one with its title, or at the end."""
    before, *parts = re.split(r"(?m)^(?=## )", page)
    kept = [part.rstrip() for part in parts]
    places = [n for n, part in enumerate(kept) if part.splitlines()[0] == f"## {title}"]
    if places:
        kept[places[0]] = text.rstrip()
    else:
        kept.append(text.rstrip())
    return "\n\n".join([before.rstrip(), *kept]) + "\n"
