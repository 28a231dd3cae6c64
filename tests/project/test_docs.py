"""The documentation names only what exists, and leaves no command out."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer

from orchestration.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)?(?:#([\w-]+))?\)")
DBT = {"build", "compile", "docs", "ls", "parse", "retry", "run", "run-operation"}
DBT |= {"seed", "show", "snapshot", "source", "test"}
COMMANDS = set(typer.main.get_command(app).commands)
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def lines(page: Path) -> list[list[str]]:
    """Return the words of each command that a page tells its reader to give."""
    text = "\n".join(SHELL.findall(page.read_text())).replace("\\\n", " ")
    text = re.sub(r"<<'(\w+)'.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [words for line in text.splitlines() if (words := shlex.split(line, comments=True))]


@each_page
def test_every_command_that_is_told_exists(page: Path) -> None:
    known = {"tidemill": COMMANDS, "make": TARGETS, "dbt": DBT}
    told = [(words[0], words[1]) for words in lines(page) if words[0] in known and len(words) > 1]
    assert [pair for pair in told if pair[1] not in known[pair[0]] | {"--help"}] == []


@each_page
def test_every_option_that_is_told_exists(page: Path) -> None:
    group = typer.main.get_command(app)
    for words in lines(page):
        if words[0] != "tidemill" or words[1] not in COMMANDS:
            continue
        command = group.commands[words[1]]
        command = getattr(command, "commands", {}).get(words[2] if words[2:] else "", command)
        options = {name for it in command.params for name in it.opts}
        told = {word.partition("=")[0] for word in words[2:] if word.startswith("--")}
        assert told <= options | {"--help", "--debug", "--verbose"}, words


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text()):
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name}: {path}"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in slugs, f"{page.name}: {path}#{anchor}"


def test_every_command_and_make_target_is_documented() -> None:
    told = (ROOT / "docs" / "commands.md").read_text()
    assert {name for name in COMMANDS if f"tidemill {name}" not in told} == set()
    assert {name for name in TARGETS if f"make {name}" not in told} == set()


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert {name for name in pages if f"({name})" not in index} == set()


def test_make_help_lists_every_target() -> None:
    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {name for name in TARGETS if f"make {name} " not in told.stdout} == set()


def test_the_lock_holds_no_address_and_a_hash_for_every_package() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    for package in re.split(r"\n(?=\w)", lock.strip()):
        assert "--hash=sha256:" in package, package.splitlines()[0]


def test_ci_pre_commit_and_the_workflow_run_the_same() -> None:
    run = (ROOT / ".ci" / "run").read_text()
    assert ".ci/run" in (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert {"make test", "make lint", "make slow"} <= set(run.splitlines())
    lint = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    for tool in ("ruff check", "ruff format", "mypy", "sqlfluff lint"):
        assert tool in lint
        assert tool in hooks
