"""Bodies are taken apart while they arrive, wherever the pieces are cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.service.problems import Refused
from orchestration.service.splitting import Document, Lines, Splitter

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def split(splitter: Splitter, body: bytes, size: int) -> list[bytes]:
    found: list[bytes] = []
    for start in range(0, len(body), size):
        found += splitter.feed(body[start : start + size])
    return [*found, *splitter.end()]


@given(st.lists(VALUES, max_size=5), st.integers(1, 40), st.sampled_from([None, 2]))
def test_a_document_gives_its_items(items: list[Any], size: int, indent: int | None) -> None:
    body = json.dumps({"items": items, "resource": "users"}, indent=indent).encode()
    splitter = Document(10_000)
    assert [json.loads(line) for line in split(splitter, body, size)] == items
    assert splitter.resource == "users"


@given(st.lists(VALUES, max_size=5), st.integers(1, 40))
def test_lines_give_their_items(items: list[Any], size: int) -> None:
    body = "\r\n".join(json.dumps(item) for item in items).encode() + b"\n\n"
    assert [json.loads(line) for line in split(Lines(10_000), body, size)] == items


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"items": [}',
        b'{"items": [1 2]}',
        b'{"items": [1]',
        b'{"items": [1]} x',
        b'{"more": 1}',
        b'{"items": [1],}',
        b'{"items": {"a": 1}}',
        b"{[1]: 2}",
        b'{"items": [nul]}',
        b'{"items": ["\xff"]}',
        b'{"items": [' + b"[" * 5000,
    ],
)
def test_a_broken_document_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        split(Document(1000), body, 7)
    assert refused.value.status in {413, 422}


@pytest.mark.parametrize("splitter", [Document(50), Lines(50)])
def test_an_item_has_its_longest_length(splitter: Splitter) -> None:
    body = b'{"items": ["' + b"a" * 200 + b'"]}'
    with pytest.raises(Refused, match="longer than 50 bytes"):
        split(splitter, body, 16)


def test_an_item_that_is_too_long_is_refused_though_it_came_in_one_piece() -> None:
    body = json.dumps({"items": [1, "x" * 100]}).encode()
    with pytest.raises(Refused, match="Item 2 is longer than 50 bytes"):
        split(Document(50), body, len(body))
