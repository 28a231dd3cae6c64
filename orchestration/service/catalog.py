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
    meta = (entry.get("config") or {}).get("meta") or entry.get("meta") or {}
    return meta.get("api")


def _mart(entry: dict[str, Any], path: Path) -> Mart:
    name, model = str(_api(entry)), str(entry["name"])
    if not NAME.fullmatch(name):
        raise SettingWrong(
            f"Cannot serve '{model}' as '{name}': a name has lower-case letters, digits and _. "
            f"Change `meta: api` in {path}."
        )
    columns = tuple(
        _column(column)
        for column in entry.get("columns") or ()
        if not column["name"].startswith("_") and column.get("data_type")
    )
    key = next((str(c["name"]) for c in entry.get("columns") or () if _is_unique(c)), None)
    if key is None:
        raise SettingWrong(
            f"Cannot serve '{model}' as '{name}': none of its columns has the data test `unique`, "
            f"by which pages are told apart. Add it in {path}."
        )
    description = " ".join(str(entry.get("description", "")).split())
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
