"""Items of a batch: each checked by its resource's model, applied in order, none spoils another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import orjson
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from loaders.intake.resources import RESOURCES
from loaders.intake.store import ITEMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

METHODS: Final = ("create", "update", "delete")
FIELDS: Final = frozenset({"id", "method", "data"})


class ItemResult(BaseModel):
    """What became of one item."""

    id: Any = None
    """The item's id, as it was given; null where that was an object or a list."""
    success: bool
    error: str | None
    """Why it was not accepted."""
    data: dict[str, Any] | None
    """The whole row as it now stands; of a deleted one, as it stood."""


class BatchResult(BaseModel):
    """What became of a batch."""

    batch_id: str
    successful: int
    failed: int
    results: list[ItemResult]
    """One result for each item, in the order of the items."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """An item that fits its resource, or the reason why it does not."""

    given_id: Any
    key: int = 0
    method: str = ""
    data: Mapping[str, Any] | None = None
    """The fields that were given."""
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What a batch comes to: a result for each item, and the rows to be stored."""

    results: list[dict[str, Any]]
    rows: list[dict[str, Any]]

    @property
    def failed(self) -> int:
        """How many items were not accepted."""
        return len(self.results) - len(self.rows)


def check(resource: str, item: Any) -> Checked:
    """Check one item by itself, whatever it is."""
    if not isinstance(item, dict):
        return Checked(given_id=None, error="An item is an object with id, method and data.")
    given_id = item.get("id")
    if isinstance(given_id, (dict, list)):  # it is not handed back: who knows how deep it goes
        return Checked(given_id=None, error="id: must be a whole number.")
    if unknown := sorted(str(name) for name in item if name not in FIELDS):
        return Checked(given_id=given_id, error=f"Unknown field '{unknown[0][:80]}' of the item.")
    method, data = item.get("method"), item.get("data")
    if method not in METHODS:
        known = ", ".join(METHODS)
        return Checked(given_id=given_id, error=f"method: must be one of {known}.")
    return _fitted(resource, given_id, method, {} if data is None else data)


def _fitted(resource: str, given_id: Any, method: str, data: Any) -> Checked:
    if not isinstance(data, dict):
        return Checked(given_id=given_id, error="data: must be an object.")
    if "id" in data and data["id"] != given_id:
        return Checked(given_id=given_id, error="data.id: differs from the item's id.")
    data = {} if method == "delete" else data
    model = RESOURCES[resource] if method == "create" else partial(resource)
    try:
        row = model.model_validate({**data, "id": given_id})
    except ValidationError as error:
        return Checked(given_id=given_id, error=told(error))
    found = row.model_dump(mode="json", exclude_unset=method != "create")
    return Checked(given_id=given_id, key=found["id"], method=method, data=found)


@cache
def partial(resource: str) -> type[BaseModel]:
    """Return the model of a change: any field may be absent, one that is there must fit."""
    model = RESOURCES[resource]
    fields: dict[str, Any] = {
        name: (field.rebuild_annotation(), ... if name == "id" else None)
        for name, field in model.model_fields.items()
    }
    name = f"{model.__name__}Change"
    return create_model(name, __config__=ConfigDict(extra="forbid"), **fields)


def told(error: ValidationError) -> str:
    """Return what is wrong with an item, in a line."""
    parts = [
        f"{'.'.join(map(str, entry['loc']))[:80] or 'item'}: {entry['msg']}"
        for entry in error.errors(include_url=False, include_input=False)[:5]
    ]
    return "; ".join(parts)


def current(
    connection: Connection, resource: str, keys: Sequence[int]
) -> dict[int, dict[str, Any] | None]:
    """Return the row of each key as it stands; None where it was deleted."""
    newest = (
        sa.select(sa.func.max(ITEMS.c.sequence))
        .where(ITEMS.c.resource == resource, ITEMS.c.item_id.in_(set(keys)))
        .group_by(ITEMS.c.item_id)
    )
    rows = connection.execute(
        sa.select(ITEMS.c.item_id, ITEMS.c.method, ITEMS.c.data).where(ITEMS.c.sequence.in_(newest))
    )
    return {row.item_id: None if row.method == "delete" else orjson.loads(row.data) for row in rows}


def apply(
    checked: Sequence[Checked],
    standing: dict[int, dict[str, Any] | None],
    *,
    resource: str,
    batch_id: str,
    now: datetime,
) -> Applied:
    """Apply items one after the other to what stands; `standing` is brought up to date.

    Returns:
        A result for each item, and a row of the log for each that was accepted.
    """
    done = Applied(results=[], rows=[])
    common = {"resource": resource, "batch_id": batch_id, "accepted_at": now.replace(tzinfo=None)}
    for item in checked:
        error = item.error or _conflict(item, standing.get(item.key))
        if error:
            done.results.append(_result(item, error, None))
            continue
        data = {**(standing.get(item.key) or {}), **(item.data or {})}
        standing[item.key] = None if item.method == "delete" else data
        text = orjson.dumps(data).decode()
        row = {"item_id": item.key, "method": item.method, "data": text}
        done.rows.append({**row, **common})
        done.results.append(_result(item, None, data))
    return done


def _conflict(item: Checked, standing: dict[str, Any] | None) -> str | None:
    if item.method == "create" and standing is not None:
        return f"id {item.key} exists already. Send it as an update."
    if item.method != "create" and standing is None:
        return f"There is no id {item.key}. Create it first."
    return None


def _result(item: Checked, error: str | None, data: dict[str, Any] | None) -> dict[str, Any]:
    return {"id": item.given_id, "success": error is None, "error": error, "data": data}
