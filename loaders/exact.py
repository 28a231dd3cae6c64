"""JSON in and out, with every number as it was written: none goes through a float that cuts it."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final

import orjson

LONG: Final = re.compile(rb"[0-9.]{17}")
"""Numbers that may be too long for 64 bits or a float."""


def parsed(text: bytes) -> Any:
    """Return what a JSON document says; a number that no float holds is a Decimal.

    `NaN` and `Infinity`, which are no JSON and are written by some, are those words.

    Raises:
        ValueError: it is no JSON.
    """
    if not LONG.search(text):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass  # a BOM, another Unicode, NaN
    try:
        return json.loads(text, parse_float=_number, parse_constant=str)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def as_json(row: Any) -> str:
    """Return a row as JSON, whatever is in it: numbers of any size, keys of any type."""
    try:
        return orjson.dumps(row, default=str).decode()
    except TypeError:
        text = json.dumps(row, default=str, ensure_ascii=False)
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _number(text: str) -> float | Decimal:
    number = float(text)
    exact = Decimal(text)
    return number if Decimal(repr(number)) == exact else exact
