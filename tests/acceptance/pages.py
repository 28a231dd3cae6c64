"""A page of the documentation as steps that can be followed: files to write, commands to run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK = re.compile(
    r"^```(?P<language>\w+)(?P<more>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
OPTION = re.compile(r'([\w-]+)=("[^"]*"|\S+)')
SECONDS = re.compile(r"\d+\.\d s")
ANYTHING = "…"


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: its language, its options (`title=…`), its text."""

    language: str
    options: dict[str, str]
    text: str


def blocks(page: Path) -> list[Block]:
    """Return a page's fenced blocks in their order."""
    return [
        Block(
            language=found["language"],
            options={key: value.strip('"') for key, value in OPTION.findall(found["more"])},
            text=found["text"],
        )
        for found in BLOCK.finditer(page.read_text())
    ]


def edit(block: Block, project: Path) -> bool:
    """Do what a block says about a file; return whether it said anything."""
    options = block.options
    if "title" in options:
        path = project / options["title"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
    elif "add-to" in options:
        _add(project / options["add-to"], block.text, options.get("after"))
    elif "in" in options:
        _patch(project / options["in"], block.text)
    else:
        return False
    return True


def _add(path: Path, text: str, after: str | None) -> None:
    before = path.read_text()
    if after is None:
        path.write_text(f"{before}\n{text}")
        return
    head, line, tail = before.partition(f"{after}\n")
    assert line, f"'{after}' is no line of {path}"
    path.write_text(head + line + text + tail)


def _patch(path: Path, diff: str) -> None:
    lines = diff.splitlines()
    old = "\n".join(line[1:] for line in lines if line.startswith("-"))
    new = "\n".join(line[1:] for line in lines if line.startswith("+"))
    assert path.read_text().count(old) == 1, f"{path} has no such lines: {old}"
    path.write_text(path.read_text().replace(old, new))


def script(steps: list[Block]) -> str:
    """Return the commands of a page as one script that stops at the first failure."""
    return "set -e\n" + "\n".join(step.text for step in steps if step.language == "sh")


def missing(promised: str, output: str) -> Iterator[str]:
    """Yield each promised line that the output does not have; seconds may differ."""
    seen = SECONDS.sub("", output)
    for line in promised.splitlines():
        parts = [re.escape(part) for part in SECONDS.sub("", line).split(ANYTHING)]
        if not re.search(".*".join(parts), seen):
            yield line


def follow(
    steps: list[Block], project: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Write the files, then run the commands, in one shell as a reader has it."""
    for step in steps:
        edit(step, project)
    with subprocess.Popen(
        ["bash", "-c", script(steps)],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as shell:
        try:
            out, err = shell.communicate(timeout=400)
        finally:
            with suppress(ProcessLookupError):  # what the page left running in the background
                os.killpg(shell.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(shell.args, shell.returncode, out, err)
