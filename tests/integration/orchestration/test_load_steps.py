"""What a step of a load asks its source for."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import dlt
import pytest

import loaders
from loaders.columns import columns
from loaders.cursor import cursor
from loaders.errors import SettingMissing
from loaders.readers.database import table
from orchestration.load_steps import SHRINK, sweep

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dlt.extract import DltResource

    from orchestration.steps import Request


@dlt.source
def plain_db(url: str = dlt.secrets.value, sweep_deletes: bool = False) -> DltResource:
    """A table, of a source that does not take all that the command line sets."""
    shape = columns(id="bigint", at="timestamp")
    since = cursor("at")
    return table("things", url, key="id", columns=shape, cursor=since, sweep_deletes=sweep_deletes)


def test_a_sweep_asks_only_for_what_is_wanted(
    request_of: Callable[..., Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(loaders.SOURCES, "plain_db", __name__)
    monkeypatch.setenv("SOURCES__PLAIN_DB__URL", f"sqlite:///{tmp_path / 'far.sqlite'}")
    with sqlite3.connect(tmp_path / "far.sqlite") as far:
        far.execute("create table things (id integer primary key, at text)")
        far.execute("insert into things values (1, '2026-01-01'), (2, '2026-01-02')")
    told: list[Any] = []
    assert sweep(request_of("sweep", "plain_db"), told.append).tables
    with pytest.raises(SettingMissing, match=r"no setting 'allow_shrink'.*Make it an argument of"):
        sweep(request_of("sweep", f"plain_db {SHRINK}"), told.append)
