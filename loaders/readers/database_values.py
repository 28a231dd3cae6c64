"""What a driver gives as Arrow, the same whatever batch it comes in."""

from __future__ import annotations

import json
import math
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

POWER_AT_ONCE: Final = 62
"""Of two, in a whole number of 64 bits."""


class Sql(str):
    """A value that is written as its database writes it already."""

    __slots__ = ()


def plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch with what PostgreSQL has no Arrow type for as its plain text."""
    arrays = [a.storage if isinstance(a, pa.ExtensionArray) else a for a in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def array(values: Sequence[Any]) -> pa.Array:
    """Return a column of Python values as Arrow; as text where they are of several kinds.

    Whatever batch a value comes in, its text is the same: hence no mixing of whole numbers with
    fractions, and decimals, whose scale Arrow would take from their neighbours, always as text.
    """
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1 and not kinds & {Decimal, dict, list}:
        try:
            return pa.array(values)
        except (ValueError, TypeError, NotImplementedError, OverflowError):
            pass  # what Arrow has no type for
    return pa.array([text(value) for value in values], pa.string())


def text(value: Any) -> str | None:
    """Return a value as DuckDB would write it."""
    if value is None:
        return None
    for kind, told in TEXTS:
        if isinstance(value, kind):
            return told(value)
    return str(value)


def exact(number: float) -> str:
    """Return a fraction as SQL that no rounding reads otherwise: SQLite's own is off by a bit."""
    if math.isinf(number):
        return "9e999" if number > 0 else "-9e999"
    top, bottom = number.as_integer_ratio()  # one of them a whole number, the other a power of two
    factor, power = ("*", _twos(top)) if bottom == 1 else ("/", _twos(bottom))
    top >>= power if bottom == 1 else 0
    steps = [1 << min(POWER_AT_ONCE, power - done) for done in range(0, power, POWER_AT_ONCE)]
    return f"({''.join([f'{top}.0', *(f' {factor} {step}' for step in steps)])})"


def _twos(number: int) -> int:
    """Return how often a number can be halved."""
    return max((number & -number).bit_length() - 1, 0)


def _plain_text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8
        return _hexadecimal(value.encode("utf-8", "surrogateescape"))
    return value


def _hexadecimal(value: bytes) -> str:
    return "\\x" + value.hex()


def _moment(value: datetime) -> str:
    whole, _, fraction = value.isoformat(" ").partition(".")
    return f"{whole}.{fraction.rstrip('0')}" if fraction else whole


TEXTS: Final[tuple[tuple[Any, Callable[[Any], str]], ...]] = (
    (str, _plain_text),
    (bool, lambda value: str(value).lower()),
    (bytes, _hexadecimal),
    (Decimal, lambda value: format(value, "f")),  # never as 1E-30
    (datetime, _moment),
    ((dict, list), partial(json.dumps, default=str)),
)
