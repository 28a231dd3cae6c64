"""A message is what its body says, or tells why it cannot be read."""

from __future__ import annotations

import pytest

from loaders.readers.queue import Message, from_json


def test_a_json_object_is_its_fields() -> None:
    assert from_json("7", b'{"a": [1]}', 2) == Message("7", {"a": [1]}, 2)


@pytest.mark.parametrize(
    ("body", "text", "problem"),
    [
        (b"{", "{", "not valid JSON"),
        (b"", "", "not valid JSON"),
        (b"\xff", "\ufffd", "not valid JSON"),
        (b"[1]", "[1]", "not a JSON object"),
        (b"null", "null", "not a JSON object"),
    ],
)
def test_any_other_body_is_kept_with_its_problem(body: bytes, text: str, problem: str) -> None:
    assert from_json("7", body, 1) == Message("7", None, 1, body=text, problem=problem)
