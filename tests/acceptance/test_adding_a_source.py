"""Whoever follows docs/adding-a-source.md to the letter gets what it promises."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.command import ROOT, Tidemill
from tests.acceptance.pages import blocks, follow, missing

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_the_page_keeps_its_word(project: Path, redis_url: str) -> None:
    from redis import Redis

    with Redis.from_url(redis_url) as client:
        client.xadd("signups", {"email": "a@example.com", "signed_up_at": "2026-01-05T10:00:00Z"})
        client.xadd("signups", {"email": "b@example.com", "signed_up_at": "soon"})
    environment = {
        **{name: text for name, text in os.environ.items() if name != "TIDEMILL_VAR"},
        "PYTHONPATH": str(project),
        "SOURCES__SIGNUP_QUEUE__URL": redis_url,
    }
    steps = blocks(ROOT / "docs" / "adding-a-source.md")
    done = follow(steps, project, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    promised = "".join(step.text for step in steps if step.language == "text")
    assert list(missing(promised, done.stdout)) == [], done.stdout + done.stderr
    assert "signup_queue  signups     2       1          0         1" in done.stdout
    commands = Tidemill(var=project / "var", variables=environment)
    assert "load supplier_files" in commands.answer("jobs")["jobs"]["daily"]
