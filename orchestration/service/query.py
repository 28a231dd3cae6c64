"""What is asked of a mart: parameters to SQL. Names come from the yml, values are bound."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson

from orchestration.service.catalog import RESERVED, Column, Mart
from orchestration.service.problems import Refused
from orchestration.service.values import as_text, parsed, restored

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LARGEST_PAGE: Final = 1000
DEFAULT_PAGE: Final = 100
LAST_PAGE: Final = 1_000_000_000
SORTED_BY_AT_MOST: Final = 4
FILTERS: Final = 20
IN_VALUES: Final = 100

COMPARED: Final = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">=", "ne": "is distinct from"}
OPERATORS: Final = {
    "text": ("ne", "in", "starts", "null", "lt", "lte", "gt", "gte"),
    "boolean": ("ne", "null"),
}
FOR_NUMBERS: Final = ("ne", "in", "null", "lt", "lte", "gt", "gte")


def operators(column: Column) -> tuple[str, ...]:
    """Return what may follow a column's name and a dot in a filter."""
    return OPERATORS.get(column.kind, FOR_NUMBERS)


@dataclass(frozen=True, kw_only=True)
class Clause:
    """A part of a WHERE, and the values bound in it."""

    sql: str
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Order:
    """One term of an ORDER BY."""

    column: Column
    is_descending: bool = False

    @property
    def text(self) -> str:
        """As it was asked for."""
        return f"{'-' if self.is_descending else ''}{self.column.name}"


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A question to a mart, checked."""

    mart: Mart
    filters: tuple[Clause, ...] = ()
    order: tuple[Order, ...] = ()
    """The mart's key is always its last term."""
    page: int = 1
    page_size: int = DEFAULT_PAGE
    after: tuple[Any, ...] | None = None
    """The values of `order` in the row behind which the page begins."""
    is_keyset: bool = False
    """Whether a cursor was asked for."""


def ask(mart: Mart, pairs: Iterable[tuple[str, str]]) -> Ask:
    """Read a request's parameters.

    Raises:
        Refused: 422, saying which parameter and why.
    """
    own: dict[str, str] = {}
    filters: list[Clause] = []
    for name, text in pairs:
        if name in RESERVED:
            own[name] = text
        else:
            filters.append(_filter(mart, name, text))
    if len(filters) > FILTERS:
        raise Refused(422, f"More than {FILTERS} filters.")
    order = _order(mart, own.get("sort", ""))
    is_keyset = "cursor" in own
    if is_keyset and "page" in own:
        raise Refused(422, "Give page or cursor, not both.")
    return Ask(
        mart=mart,
        filters=tuple(filters),
        order=order,
        page=_whole("page", own.get("page", "1"), LAST_PAGE),
        page_size=_whole("page_size", own.get("page_size", str(DEFAULT_PAGE)), LARGEST_PAGE),
        after=decoded(order, own["cursor"]) if own.get("cursor") else None,
        is_keyset=is_keyset,
    )


def _whole(name: str, text: str, most: int) -> int:
    number = parsed(name, "integer", text)
    if not 1 <= number <= most:
        raise Refused(422, f"{name}: must be from 1 to {most:,}.")
    return int(number)


def _filter(mart: Mart, name: str, text: str) -> Clause:
    bare, _, operator = name.partition(".")
    column = mart.column(bare)
    if column is None or (operator and operator not in operators(column)) or name.endswith("."):
        known = ", ".join(c.name for c in mart.columns)
        raise Refused(
            422,
            f"No parameter '{name[:80]}'. Columns: {known}; behind a column's name may stand "
            f"one of .{', .'.join(operators(column) if column else FOR_NUMBERS)}.",
        )
    quoted = f'"{column.name}"'
    if operator == "null":
        is_null = parsed(name, "boolean", text)
        return Clause(sql=f"{quoted} is {'' if is_null else 'not '}null")
    if operator == "in":
        texts = text.split(",")[: IN_VALUES + 1]
        if len(texts) > IN_VALUES:
            raise Refused(422, f"{name}: more than {IN_VALUES} values.")
        values = tuple(parsed(name, column.kind, one) for one in texts)
        return Clause(sql=f"{quoted} in ({', '.join('?' for _ in values)})", values=values)
    value = parsed(name, column.kind, text)
    if operator == "starts":
        return Clause(sql=f"starts_with({quoted}, ?)", values=(value,))
    return Clause(sql=f"{quoted} {COMPARED.get(operator, '=')} ?", values=(value,))


def _order(mart: Mart, text: str) -> tuple[Order, ...]:
    terms: list[Order] = []
    for part in text.split(",") if text else ():
        column = mart.column(part.removeprefix("-"))
        if column is None:
            known = ", ".join(c.name for c in mart.columns)
            raise Refused(422, f"sort: no column '{part[:80]}'. Columns: {known}.")
        if column.name not in {term.column.name for term in terms}:
            terms.append(Order(column=column, is_descending=part.startswith("-")))
    if len(terms) > SORTED_BY_AT_MOST:
        raise Refused(422, f"sort: more than {SORTED_BY_AT_MOST} columns.")
    key = mart.column(mart.key)
    if key and mart.key not in {term.column.name for term in terms}:
        terms.append(Order(column=key))
    return tuple(terms)


def encoded(order: Sequence[Order], row: dict[str, Any]) -> str:
    """Return the cursor that stands behind a row."""
    content = {
        "by": ",".join(term.text for term in order),
        "at": [as_text(row[term.column.name]) for term in order],
    }
    return base64.urlsafe_b64encode(orjson.dumps(content)).decode().rstrip("=")


def decoded(order: Sequence[Order], cursor: str) -> tuple[Any, ...]:
    """Return the values in a cursor.

    Raises:
        Refused: 422, when it is not one that we gave for this order.
    """
    try:
        content = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        by, at = content["by"], content["at"]
        fits = by == ",".join(term.text for term in order) and len(at) == len(order)
    except (binascii.Error, ValueError, KeyError, TypeError):
        fits, at = False, []
    if not fits or not all(value is None or isinstance(value, str) for value in at):
        raise Refused(
            422, "cursor: not one of ours for this sort. Take next_cursor as it was given."
        )
    pairs = zip(order, at, strict=True)
    return tuple(None if text is None else restored(term.column.kind, text) for term, text in pairs)


@dataclass(frozen=True, kw_only=True)
class Statement:
    """SQL and the values bound in it."""

    sql: str
    values: tuple[Any, ...] = field(default=())
