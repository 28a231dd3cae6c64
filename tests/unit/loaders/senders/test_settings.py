"""An output's settings come from the environment, then from dlt's files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loaders.errors import SettingMissing
from loaders.senders.settings import resolved, setting

if TYPE_CHECKING:
    from pathlib import Path


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTPUTS__FAR__URL", "here")
    assert setting("far", "url", default="there") == "here"


def test_a_default_comes_last() -> None:
    assert setting("far", "nothing_of_this_name", default="there") == "there"


def test_a_missing_secret_names_where_it_belongs() -> None:
    with pytest.raises(SettingMissing, match=r"OUTPUTS__FAR__TOKEN; .*secrets\.toml"):
        setting("far", "token", secret=True)


def test_folders_count_from_the_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path))
    assert resolved("var/exports") == str(tmp_path / "var" / "exports")
    assert resolved("/abs") == "/abs"
    assert resolved("file:///abs") == "/abs"
    assert resolved("s3://bucket/folder") == "s3://bucket/folder"
