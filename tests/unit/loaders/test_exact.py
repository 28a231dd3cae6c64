"""A number keeps its digits from JSON to JSON."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loaders.exact import as_json, parsed


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_number_that_is_written_is_the_number_that_is_read(number: Decimal) -> None:
    (found,) = parsed(f"[{number}]".encode())
    (again,) = parsed(as_json([found]).encode())
    assert Decimal(str(found)) == Decimal(str(again)) == number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"18446744073709551616", 2**64),
        (b"0.1", 0.1),
        (b"0.30000000000000004", 0.30000000000000004),
        (b"[NaN, -Infinity]", ["NaN", "-Infinity"]),
        (b"1e999", Decimal("1e999")),
        ('\ufeff"a"'.encode(), "a"),
        ('"a"'.encode("utf-16"), "a"),
    ],
)
def test_what_is_nearly_json_is_read(text: bytes, value: Any) -> None:
    assert parsed(text) == value
    assert type(parsed(text)) is type(value)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a": 1}{'])
def test_what_is_no_json_is_told(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parsed(text)
