"""What is told of new columns."""

from __future__ import annotations

from loaders.drift import widened


def test_new_columns_are_named_up_to_twenty() -> None:
    assert widened({"a": "text"}) == "has a new column 'a' (text)."
    assert widened({"a": "text", "b": "text"}) == "has 2 new columns, as text: a, b."
    assert widened({"a": "text", "b": "bigint"}) == "has 2 new columns: a (text), b (bigint)."
    many = widened({f"c{number}": "text" for number in range(1_020)})
    assert many.startswith("has 1,020 new columns, as text: c0, c1, ")
    assert many.endswith(", c18, c19 and 1,000 more.")
