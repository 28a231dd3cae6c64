"""Writes answers to standard output: tables for people, JSON for programs."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A small table with a title; numbers stand to the right."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]


def as_json(answer: Any) -> None:
    """Write an answer as JSON; times in ISO 8601, UTC."""
    sys.stdout.write(json.dumps(answer, default=_plain, indent=2) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"Cannot write {type(value).__name__} as JSON.")


def text(line: str = "") -> None:
    """Write a line."""
    sys.stdout.write(line + "\n")


def hanging(head: str, words: str) -> None:
    """Write a line; what a terminal has no room for stands below, beside the head."""
    if sys.stdout.isatty():
        room = max(shutil.get_terminal_size().columns, 2 * len(head))
        indent = " " * len(head)
        words = textwrap.fill(
            head + words,
            room,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        text(words)
    else:
        text(head + words)


def grid(content: Grid, *, empty: str = "") -> None:
    """Write a table: drawn on a terminal, aligned by spaces elsewhere; without rows, `empty`."""
    if not content.rows:
        if empty:
            text(empty)
    elif sys.stdout.isatty():
        _drawn(content)
    else:
        text("\n".join(aligned(content)))
        text()


def aligned(content: Grid) -> list[str]:
    """Return a table as lines aligned by spaces."""
    cells = [list(content.header), *[[shown(cell) for cell in row] for row in content.rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(content.header))]
    right = _numeric(content)
    lines = [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    ]
    return [content.title, *[f"  {line}" for line in lines]]


def _drawn(content: Grid) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=content.title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for name, number in zip(content.header, _numeric(content), strict=True):
        is_key = name == content.header[0]  # to be copied in one piece
        justify = "right" if number else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=is_key)  # type: ignore[arg-type]
    for row in content.rows:
        table.add_row(*[Text(shown(cell)) for cell in row])
    Console().print(table)


def _numeric(content: Grid) -> list[bool]:
    columns = zip(*content.rows, strict=True)
    return [
        all(isinstance(cell, (int, float)) or cell is None for cell in column) for column in columns
    ]


def shown(cell: Any) -> str:
    """Return a cell as people read it."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:,.1f}"
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d %H:%M:%S}"
    return str(cell)
