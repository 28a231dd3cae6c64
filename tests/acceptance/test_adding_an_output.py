"""Whoever follows docs/outputs.md to the letter gets what it promises."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.command import ROOT, Tidemill
from tests.acceptance.pages import Block, blocks, follow, missing

if TYPE_CHECKING:
    from pathlib import Path

    from demo.shop import Shop

pytestmark = pytest.mark.slow


def test_the_page_keeps_its_word(project: Path, shop: Shop) -> None:
    shop.advance()
    environment = {
        **{name: text for name, text in os.environ.items() if name != "TIDEMILL_VAR"},
        **shop.environment(),
        "PYTHONPATH": str(project),
    }
    page = (ROOT / "docs" / "outputs.md").read_text()
    start, end = page.index("## Add one"), page.index("## What is promised")
    part = project / "outputs.md"
    part.write_text(page[start:end])
    steps = blocks(part)
    day = Block(language="sh", options={}, text="tidemill run daily\n")
    assert follow([steps[0], day], project, environment).returncode == 0
    done = follow(steps, project, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    promised = "".join(step.text for step in steps if step.language == "text")
    assert list(missing(promised, done.stdout)) == [], done.stdout + done.stderr

    commands = Tidemill(var=project / "var", variables=environment)
    assert "deliver web_shop" in commands.answer("jobs")["jobs"]["daily"]
    runs = [run for run in commands.answer("runs")["runs"] if run["deliveries"]]
    sent = [
        (row["output"], row["successful"], row["failed"], row["skipped"])
        for run in reversed(runs)
        for row in run["deliveries"]
        if row["output"] in {"web_shop", "price_db"}
    ]
    with closing(sqlite3.connect(project / "var" / "examples" / "prices.sqlite")) as there:
        count = int(there.execute("select count(*) from products").fetchone()[0])
    assert sent == [
        ("web_shop", count - 1, 1, 0),
        ("web_shop", 0, 0, count),
        ("price_db", count, 0, 0),
    ]
    assert f'{{"products":{count - 1}}}' in done.stdout
