"""What profiles/profiles.yml says, read as dbt reads it; and where the project keeps its things."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from loaders.errors import SettingMissing

PROFILE = "tidemill"
POSTGRES_VARIABLES = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE")
_DSN_SHAPE = "Write it as postgresql://user:password@host:5432/database."


def root() -> Path:
    """Return the project's top folder: TIDEMILL_HOME, or the one that holds this package."""
    return Path(os.environ.get("TIDEMILL_HOME") or Path(__file__).parent.parent).resolve()


def var() -> Path:
    """Return the folder for state, warehouse and published copy: TIDEMILL_VAR, or `var`."""
    return Path(os.environ.get("TIDEMILL_VAR") or root() / "var").resolve()


def profiles_path() -> Path:
    """Return the path of profiles.yml."""
    return root() / "profiles" / "profiles.yml"


def output(name: str | None) -> tuple[str, dict[str, Any]]:
    """Return one output of the profile by its name, rendered.

    Args:
        name: as in `dbt --target`; without one, TIDEMILL_TARGET, or the profile's default.

    Raises:
        SettingMissing: no such file, profile, output or variable.
    """
    _split_postgres_dsn()
    os.environ.setdefault("TIDEMILL_DUCKDB_PATH", str(var() / "warehouse.duckdb"))
    outputs, default = _outputs()
    chosen = name or default
    if chosen not in outputs:
        raise SettingMissing(
            f"No target named '{chosen}' in {profiles_path()}. Known targets: "
            f"{', '.join(sorted(outputs))}. Check --target and TIDEMILL_TARGET."
        )
    return chosen, _render(outputs[chosen])


def _split_postgres_dsn() -> None:
    """Set libpq's variables, which the profile reads, from TIDEMILL_POSTGRES_DSN."""
    dsn = os.environ.get("TIDEMILL_POSTGRES_DSN")
    if not dsn:
        return
    try:
        url = urlsplit(dsn)
        found = (url.hostname, url.port or 5432, url.username, url.password, url.path.lstrip("/"))
    except ValueError as error:
        raise SettingMissing(f"TIDEMILL_POSTGRES_DSN is no URL: {error}. {_DSN_SHAPE}") from None
    if not url.scheme.startswith("postgres"):
        raise SettingMissing(
            f"TIDEMILL_POSTGRES_DSN starts with '{url.scheme}', not with 'postgresql'. {_DSN_SHAPE}"
        )
    socket = dict(re.findall(r"(\w+)=([^&]*)", url.query)).get("host")
    for variable, value in zip(POSTGRES_VARIABLES, (found[0] or socket, *found[1:]), strict=True):
        if value:
            os.environ[variable] = unquote(str(value))


def _outputs() -> tuple[dict[str, dict[str, Any]], str]:
    import yaml

    try:
        profile = yaml.safe_load(profiles_path().read_text())[PROFILE]
        return dict(profile["outputs"]), str(_render(profile["target"]))
    except FileNotFoundError:
        raise SettingMissing(
            f"No file '{profiles_path()}'. It names the warehouse; take it from the repository, "
            "or set TIDEMILL_HOME to the project's folder."
        ) from None
    except (yaml.YAMLError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise SettingMissing(
            f"Cannot read '{profiles_path()}': {reason}. It needs `{PROFILE}:` with `target:` "
            "and `outputs:`, as dbt expects."
        ) from None


def _render(value: Any) -> Any:
    """Render what dbt's profile language allows here: env_var() and as_number, in any value."""
    if isinstance(value, dict):
        return {key: _render(entry) for key, entry in value.items()}
    if not isinstance(value, str) or "{{" not in value:
        return value
    from jinja2 import Environment, TemplateError

    environment = Environment(autoescape=False)  # noqa: S701  YAML, not HTML
    environment.filters.update(as_number=int, as_native=str, as_text=str, as_bool=bool)
    try:
        return environment.from_string(value).render(env_var=_env_var)
    except (ValueError, TypeError, TemplateError) as error:
        raise SettingMissing(f"Cannot read '{value}' in {profiles_path()}: {error}.") from None


def _env_var(name: str, default: str | None = None) -> str:
    value = os.environ.get(name, default)
    if value is None:
        raise SettingMissing(
            f"The variable {name} is not set, and {profiles_path()} gives it no default. Set it; "
            "profiles/env.example tells what it is for."
        )
    return value
