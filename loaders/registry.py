"""Sources by their names, with their settings from dlt's configuration."""

from __future__ import annotations

import importlib
import inspect
import os
from typing import TYPE_CHECKING, Any, Final

from loaders import SOURCES
from loaders.errors import SettingMissing
from loaders.profile import root, var

os.environ.setdefault("DLT_PROJECT_DIR", str(root()))
os.environ.setdefault("DLT_DATA_DIR", str(var() / "dlt"))

from dlt.common.typing import ConfigValueSentinel

from loaders.explain import explain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlt.extract import DltSource

NOWHERE: Final = "nowhere://"
"""Stands for a setting that a source has not and does not need to tell its tables."""


def find_source(name: str, settings: Mapping[str, Any] | None = None) -> DltSource:
    """Return a source by its name, with its settings from dlt's configuration.

    Args:
        name: one of SOURCES.
        settings: what to set in place of that.

    Raises:
        SettingMissing: there is no such source, or it has no such setting.
    """
    if name not in SOURCES:
        raise SettingMissing(
            f"No source named '{name}'. Known sources: {', '.join(sorted(SOURCES))}. Check the "
            f"spelling, or add loaders/sources/{name}.py and its line in loaders/__init__.py."
        )
    factory = getattr(importlib.import_module(SOURCES[name]), name)
    known = inspect.signature(factory).parameters
    for setting in (settings or {}).keys() - known.keys():
        raise SettingMissing(
            f"The source '{name}' has no setting '{setting}'. It has {', '.join(known) or 'none'}. "
            f"Make it an argument of `{name}` in {SOURCES[name]}, and hand it to its tables, as "
            "loaders/sources/shop_db.py does."
        )
    try:
        source: DltSource = factory(**(settings or {}))
    except Exception as error:
        raise explain(error, name) from error
    return source


def describe_source(name: str) -> DltSource:
    """Return a source that only tells its tables; what it would need to read them may be missing.

    Raises:
        SettingMissing: it has to read something to know its tables.
    """
    try:
        return find_source(name)
    except SettingMissing:
        factory = getattr(importlib.import_module(SOURCES[name]), name)
        known = inspect.signature(factory).parameters.values()
        asked = {each.name for each in known if isinstance(each.default, ConfigValueSentinel)}
        return find_source(name, dict.fromkeys(asked, NOWHERE))
