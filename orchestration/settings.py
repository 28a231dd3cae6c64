"""The one place where the runner reads its settings; each is told in profiles/env.example."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from loaders.connection import shown
from loaders.errors import SettingMissing
from loaders.warehouse import Target
from loaders.warehouse import target as read_target
from orchestration.errors import SettingWrong

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where things are and what they are called; all paths absolute."""

    home: Path
    """The project's top folder."""
    var: Path
    """The state directory: warehouse, ledger, logs, reports."""
    target: Target
    """The warehouse of this run."""
    ledger_url: str = field(repr=False)
    """SQLAlchemy URL of the ledger."""

    @property
    def project(self) -> Path:
        """The dbt project."""
        return self.home / "dbt_project"

    @property
    def dbt_target_path(self) -> Path:
        """Where dbt keeps its artifacts for this target."""
        return self.var / "dbt" / self.target.name

    @property
    def logs(self) -> Path:
        """The logs' folder."""
        return self.var / "logs"

    @property
    def reports(self) -> Path:
        """The daily reports' folder."""
        return self.var / "reports"

    @property
    def dbt_options(self) -> list[str]:
        """What every call of dbt is told: where things are, and what it is to write to."""
        places = {
            "--project-dir": self.project,
            "--profiles-dir": self.home / "profiles",
            "--target": self.target.name,
            "--target-path": self.dbt_target_path,
            "--log-path": self.logs,
        }
        return [str(part) for pair in places.items() for part in pair]

    def artifacts(self, run_id: str) -> Path:
        """Return the folder for what is kept of a run."""
        return self.var / "runs" / run_id


def read(target_name: str | None = None) -> Settings:
    """Read all settings from the environment and make them known to child processes.

    Args:
        target_name: an output of profiles.yml in place of TIDEMILL_TARGET.

    Raises:
        SettingWrong: a setting or the profile cannot be used.
    """
    home = Path(os.environ.get("TIDEMILL_HOME") or Path(__file__).parent.parent).resolve()
    var = Path(os.environ.get("TIDEMILL_VAR") or home / "var").resolve()
    os.environ.update({"TIDEMILL_HOME": str(home), "TIDEMILL_VAR": str(var)})
    file = Path(os.environ.get("TIDEMILL_DUCKDB_PATH", var / "warehouse.duckdb")).resolve()
    os.environ["TIDEMILL_DUCKDB_PATH"] = str(file)
    try:
        target = read_target(target_name or os.environ.get("TIDEMILL_TARGET") or None)
    except SettingMissing as error:
        raise SettingWrong(str(error)) from error
    os.environ["TIDEMILL_TARGET"] = target.name
    settings = Settings(
        home=home, var=var, target=target, ledger_url=_ledger_url(var, target, os.environ)
    )
    os.environ.update(_quiet())
    return settings


def _ledger_url(var: Path, target: Target, environment: Mapping[str, str]) -> str:
    if given := environment.get("TIDEMILL_LEDGER_URL"):
        url = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", given)
        if not url.startswith(("sqlite:///", "postgresql://")):
            raise SettingWrong(
                f"Cannot use TIDEMILL_LEDGER_URL '{shown(url)}': it names no SQLite file and no "
                "PostgreSQL. Write sqlite:////folder/ledger.sqlite or "
                "postgresql://user:password@host:5432/database, or leave it out."
            )
        return url
    return target.dsn or f"sqlite:///{var / 'ledger.sqlite'}"


def _quiet() -> dict[str, str]:
    """Return what keeps dbt off the network, off the terminal, and killable."""
    defaults = {
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_VERSION_CHECK": "false",
        "DBT_USE_COLORS": "false",
        # PostgreSQL ends a killed client's query, so that its locks do not outlive it.
        "PGOPTIONS": "-c client_connection_check_interval=1000",
    }
    return {key: os.environ.get(key) or value for key, value in defaults.items()}
