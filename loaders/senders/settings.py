"""An output's settings, from the places where dlt looks for them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from loaders.errors import SettingMissing
from loaders.profile import root


def setting(output: str, name: str, *, default: str | None = None, secret: bool = False) -> str:
    """Return one setting of an output.

    Args:
        output: the output's name, `crm_users`.
        name: the setting's name, `base_url`.
        default: what to return when it is nowhere.
        secret: whether it belongs in secrets.toml.

    Raises:
        SettingMissing: it is nowhere to be found and has no default.
    """
    variable = f"OUTPUTS__{output}__{name}".upper()
    found = os.environ.get(variable) or _from_dlt(f"outputs.{output}.{name}", secret=secret)
    if found or default is not None:
        return found or default or ""
    file = "secrets.toml" if secret else "config.toml"
    raise SettingMissing(
        f"The output '{output}' has no setting '{name}'. Looked at: the variable {variable}; "
        f"'{name}' under [outputs.{output}] in {', '.join(_places(file))}. Set one of them."
    )


def resolved(place: str) -> str:
    """Return a folder's absolute path, counted from the project's folder; a URL as it is."""
    if re.match(r"[a-z0-9+]{2,}:", place):
        return place.removeprefix("file://")
    return str((root() / Path(place).expanduser()).resolve())


def _from_dlt(key: str, *, secret: bool) -> str | None:
    os.environ.setdefault("DLT_PROJECT_DIR", str(root()))
    import dlt

    found = (dlt.secrets if secret else dlt.config).get(key, str)
    return None if found is None else str(found)


def _places(file: str) -> list[str]:
    folders = [Path(os.environ["DLT_PROJECT_DIR"]) / ".dlt"]
    from dlt.common.runtime.run_context import active

    context = active()
    folders += [Path(context.settings_dir), Path(context.global_dir)]
    return list(dict.fromkeys(str(folder.resolve() / file) for folder in folders))
