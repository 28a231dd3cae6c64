"""Values of filters and cursors, from text, typed by their column."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from orchestration.service.problems import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

WHOLE: Final = re.compile(r"[+-]?[0-9]{1,19}")
LARGEST: Final = 2**63 - 1
DIGITS: Final = 38
"""Of a decimal, before and behind its point."""


def parsed(name: str, kind: str, text: str) -> Any:
    """Return a text as a value of a kind of column.

    Raises:
        Refused: 422, when it is none.
    """
    try:
        return _PARSERS[kind](text)
    except (ValueError, InvalidOperation, OverflowError):
        raise Refused(422, f"{name}: '{text[:80]}' is no {kind}.") from None


def restored(kind: str, text: str) -> Any:
    """Return a text of a cursor as the value that it was made from.

    Raises:
        Refused: 422, when it is none.
    """
    if kind == "number" and text in {"nan", "inf", "-inf"}:
        return float(text)
    return parsed("cursor", kind, text)


def as_text(value: Any) -> str | None:
    """Return a value as a text that `restored` reads back."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else str(value)


def _text(text: str) -> str:
    if "\x00" in text:
        raise ValueError
    text.encode()  # half a surrogate pair is no text
    return text


def _integer(text: str) -> int:
    if not WHOLE.fullmatch(text) or abs(int(text)) > LARGEST:
        raise ValueError
    return int(text)


def _decimal(text: str) -> Decimal:
    number = Decimal(text)
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int) or max(len(digits) + exponent, 0) - min(exponent, 0) > DIGITS:
        raise ValueError
    return number


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _boolean(text: str) -> bool:
    if text.lower() not in {"true", "1", "false", "0"}:
        raise ValueError
    return text.lower() in {"true", "1"}


def _timestamp(text: str) -> datetime:
    """Return a time as the marts have it: UTC, without its zone."""
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


_PARSERS: Final[dict[str, Callable[[str], Any]]] = {
    "text": _text,
    "integer": _integer,
    "decimal": _decimal,
    "number": _number,
    "boolean": _boolean,
    "date": date.fromisoformat,
    "timestamp": _timestamp,
}
