"""A tiny dbt project of two models on DuckDB, and steps of one's own in real child processes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestration import settings as settings_
from orchestration.steps import Request
from orchestration.workers import Kind, Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestration.settings import Settings

ROOT = Path(__file__).parents[3]

PROJECT = """
name: tiny
version: "1.0"
profile: tidemill
flags: {send_anonymous_usage_stats: false}
"""
NUMBERS = "select 1 as id union all select 2 as id"
DOUBLED = "select id, id * 2 as doubled from {{ ref('numbers') }}"
LAST = "select count(*) as count_rows from {{ ref('doubled') }}"
DOUBLED_YAML = """
models:
  - name: doubled
    columns:
      - name: id
        data_tests: [unique, not_null]
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder with a dbt project of three models and two tests."""
    home = tmp_path / "home"
    models = home / "dbt_project" / "models"
    models.mkdir(parents=True)
    (home / "profiles").mkdir()
    shutil.copy(ROOT / "profiles" / "profiles.yml", home / "profiles")
    (home / "dbt_project" / "dbt_project.yml").write_text(PROJECT)
    (models / "numbers.sql").write_text(NUMBERS)
    (models / "doubled.sql").write_text(DOUBLED)
    (models / "last.sql").write_text(LAST)
    (models / "doubled.yml").write_text(DOUBLED_YAML)
    for name in ("TIDEMILL_DUCKDB_PATH", "TIDEMILL_TARGET", "TIDEMILL_LEDGER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TIDEMILL_HOME", str(home))
    monkeypatch.setenv("TIDEMILL_VAR", str(home / "var"))
    return home


@pytest.fixture
def settings(home: Path) -> Settings:
    return settings_.read("duckdb")


@pytest.fixture
def request_of(settings: Settings) -> Callable[..., Request]:
    def make(kind: str, argument: str = "", run_id: str = "r1") -> Request:
        return Request(
            run_id=run_id,
            job="test",
            step=f"{kind} {argument}".strip().replace("/", "-"),
            kind=kind,
            argument=argument,
            target="duckdb",
            artifacts=settings.artifacts(run_id),
        )

    return make


@pytest.fixture
def own_workers(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workers]:
    """Workers whose steps are the functions of own_steps.py."""
    shutil.copy(Path(__file__).parent / "own_steps.py", tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    names = ("load", "hang", "babble", "vanish", "refuse")
    kinds = {name: Kind(function=f"own_steps:{name}", preload="own_steps") for name in names}
    workers = Workers(kinds, settings.logs / "workers.log")
    yield workers
    workers.close()


@pytest.fixture
def dbt_workers(settings: Settings) -> Iterator[Workers]:
    kind = Kind(function="orchestration.model_steps:transform", preload="orchestration.dbt")
    workers = Workers({"transform": kind}, settings.logs / "workers.log")
    yield workers
    workers.close()
