"""What may be pushed: each resource, declared once by a pydantic model.

The service checks items by it, the loader `intake` makes its raw table from it.
"""

from __future__ import annotations

import types
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

LARGEST: Final = 2**63 - 1
"""The largest whole number that a warehouse's bigint holds."""


def _plain(text: str) -> str:
    """Refuse the one character that PostgreSQL cannot store in a text."""
    if "\x00" in text:
        raise ValueError("a text must not contain the character NUL")
    return text


Key = Annotated[int, Field(ge=1, le=LARGEST)]
Text = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_plain)]
Email = Annotated[
    str,
    StringConstraints(max_length=320, pattern=r"^[^@\s\x00]+@[^@\s\x00]+$", strip_whitespace=True),
]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2}$")]
Money = Annotated[Decimal, Field(max_digits=18, decimal_places=2, allow_inf_nan=False)]
Moment = AwareDatetime


class Resource(BaseModel):
    """What every resource has in common: a key, and no field that is not declared."""

    model_config = ConfigDict(extra="forbid")

    id: Key


class User(Resource):
    """A person who may buy."""

    email: Email
    first_name: Text | None = None
    last_name: Text | None = None
    phone: Text | None = None
    country_code: Country | None = None
    is_marketing_opt_in: bool | None = None
    created_at: Moment | None = None
    updated_at: Moment | None = None


class Order(Resource):
    """A purchase by a user."""

    user_id: Key
    status: Literal["pending", "paid", "shipped", "delivered", "cancelled"]
    currency: Currency
    amount: Money | None = None
    ordered_at: Moment
    shipped_at: Moment | None = None
    updated_at: Moment | None = None


RESOURCES: Final[dict[str, type[Resource]]] = {"users": User, "orders": Order}
"""Each resource's name, in the URL and as the raw table, and its shape."""

_TYPES: Final[dict[Any, str]] = {
    bool: "boolean",
    int: "bigint",
    float: "double",
    Decimal: "decimal(18, 2)",
    datetime: "timestamp",
    str: "text",
}


def column_types(model: type[Resource]) -> dict[str, str]:
    """Return each field of a resource and its type in the word of `loaders.columns.columns`.

    Raises:
        TypeError: a field's type has no column type; add it to this module's table.
    """
    return {name: _column_type(field.annotation) for name, field in model.model_fields.items()}


def _column_type(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin in {Union, types.UnionType}:
        return _column_type(next(a for a in get_args(annotation) if a is not type(None)))
    if origin is Annotated:
        return _column_type(get_args(annotation)[0])
    if origin is Literal:
        return "text"
    found = _TYPES.get(datetime if annotation is AwareDatetime else annotation)
    if found is None:
        raise TypeError(f"No column type for a field of type {annotation!r}.")
    return found
