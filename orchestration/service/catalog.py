"""Which dbt models are served, and under which name: `meta: {api: users}` in a model's yml."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

from orchestration.errors import SettingWrong

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RESERVED: Final = frozenset({"page", "page_size", "cursor", "sort", "format"})
"""Parameters of our own; a column of that name cannot be filtered by."""
OWN: Final = frozenset({"batch", "jobs", "quarantine", "runs"})
"""Names of routes that are no mart's."""
NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
KINDS: Final = (
    (re.compile(r"(big|small|huge)?int(eger)?\d*"), "integer"),
    (re.compile(r"(numeric|decimal)(\(.*\))?"), "decimal"),
    (re.compile(r"double( precision)?|float\d*|real"), "number"),
    (re.compile(r"bool(ean)?"), "boolean"),
    (re.compile(r"date"), "date"),
    (re.compile(r"timestamp.*|datetime"), "timestamp"),
    (re.compile(r"text|varchar.*|string|uuid"), "text"),
)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column that is served."""

    name: str
    kind: str
    """integer, decimal, number, boolean, date, timestamp or text."""
    data_type: str
    """As the contract has it."""
    description: str
    is_nullable: bool


@dataclass(frozen=True, kw_only=True)
class Mart:
    """One model that is served."""

    name: str
    """As in the URL."""
    model: str
    """The dbt model, and its table."""
    description: str
    key: str
    """The column that tells rows apart."""
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column | None:
        """Return a column by its name."""
        return next((column for column in self.columns if column.name == name), None)


def read(project: Path) -> dict[str, Mart]:
    """Return the served models of a dbt project by their names in the API.

    Raises:
        SettingWrong: a model's `meta: api` cannot be used.
    """
    found: dict[str, Mart] = {}
    for path in sorted((project / "models").rglob("*.yml")):
        for entry in _models(path):
            mart = _mart(entry, path)
            if mart.name in found:
                raise SettingWrong(
                    f"Cannot serve '{mart.model}' as '{mart.name}': {found[mart.name].model} is "
                    f"served by that name already. Change `meta: api` in {path}."
                )
            found[mart.name] = mart
    return found


def _models(path: Path) -> Iterator[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    if "api:" not in text:  # reading YAML is slow, and most models are not served
        return
    content = yaml.safe_load(text) or {}
    for entry in content.get("models") or ():
        if _api(entry):
            yield entry


def _api(entry: dict[str, Any]) -> Any:
    return _meta(entry).get("api")


def _meta(entry: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _config(entry).get("meta") or entry.get("meta") or {}
    return found


def _config(entry: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = entry.get("config") or {}
    return found


def _is_kept_back(column: dict[str, Any], *, is_wanted: bool) -> bool:
    """Tell whether a column is the project's own, or personal where that is not asked for."""
    tags = _config(column).get("tags") or column.get("tags") or ()
    is_personal = "pii" in ([tags] if isinstance(tags, str) else tags)
    return str(column["name"]).startswith("_") or (is_personal and not is_wanted)


def _mart(entry: dict[str, Any], path: Path) -> Mart:
    name, model = str(_api(entry)), str(entry["name"])
    if not NAME.fullmatch(name):
        raise SettingWrong(
            f"Cannot serve '{model}' as '{name}': a name has lower-case letters, digits and _. "
            f"Change `meta: api` in {path}."
        )
    if name in OWN:
        raise SettingWrong(
            f"Cannot serve '{model}' as '{name}': /api/v1/{name} is the service's own. Change "
            f"`meta: api` in {path}."
        )
    is_wanted = bool(_meta(entry).get("pii_wanted"))
    served = [
        column
        for column in entry.get("columns") or ()
        if column.get("data_type") and not _is_kept_back(column, is_wanted=is_wanted)
    ]
    key = next((str(column["name"]) for column in served if _is_unique(column)), None)
    if key is None:
        raise SettingWrong(
            f"Cannot serve '{model}' as '{name}': none of the columns it shows has the data test "
            f"`unique`, by which pages are told apart. Add it in {path}."
        )
    description = " ".join(str(entry.get("description", "")).split())
    columns = tuple(map(_column, served))
    return Mart(name=name, model=model, description=description, key=key, columns=columns)


def _column(entry: dict[str, Any]) -> Column:
    tests = [*_names(entry.get("data_tests")), *_types(entry.get("constraints"))]
    return Column(
        name=str(entry["name"]),
        kind=_kind(str(entry["data_type"])),
        data_type=str(entry["data_type"]),
        description=" ".join(str(entry.get("description", "")).split()),
        is_nullable=not {"not_null", "primary_key"} & set(tests),
    )


def _is_unique(entry: dict[str, Any]) -> bool:
    return "unique" in _names(entry.get("data_tests")) or "primary_key" in _types(
        entry.get("constraints")
    )


def _names(tests: Any) -> list[str]:
    return [test if isinstance(test, str) else next(iter(test), "") for test in tests or ()]


def _types(constraints: Any) -> list[str]:
    return [str(constraint.get("type")) for constraint in constraints or ()]


def _kind(data_type: str) -> str:
    for pattern, kind in KINDS:
        if pattern.fullmatch(data_type.strip().lower()):
            return kind
    return "text"
