"""A partition remembers, beside its offset, how often each part of it was delivered."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("confluent_kafka", reason="confluent-kafka is not installed")
from loaders.readers.kafka import Partition


def partition(offset: int, metadata: str | None, *, first: int = 0, end: int = 100) -> Partition:
    committed = SimpleNamespace(partition=1, offset=offset, metadata=metadata)
    return Partition(committed, first, end)


def message(offset: int, value: bytes | None = b"{}", key: bytes | None = None) -> Any:
    return SimpleNamespace(offset=lambda: offset, value=lambda: value, key=lambda: key)


def test_one_that_was_never_read_begins_at_its_first_message() -> None:
    begun = partition(-1001, None, first=5)
    assert (begun.base, begun.next, begun.tries(5)) == (5, 5, 0)


def test_what_is_delivered_is_counted_up_to_where_it_was_read() -> None:
    one = partition(10, "")
    assert [one.take(message(n), None).deliveries for n in (10, 11)] == [1, 1]
    assert one.tried() == "12:1"
    again = partition(10, "12:1")
    assert [again.take(message(n), None).deliveries for n in (10, 11, 12)] == [2, 2, 1]
    assert again.tried() == "13:2"


def test_a_part_that_is_tried_apart_is_counted_apart() -> None:
    one = partition(10, "50:3")
    one.take(message(10), None)
    assert one.tried() == "11:4 50:3"
    one.base = 11
    assert one.tried() == "50:3"


def test_message_ids_sort_by_offset() -> None:
    one = partition(0, "")
    assert one.take(message(9), None).message_id < one.take(message(10), None).message_id


def test_a_key_is_a_column_when_asked_and_a_tombstone_tells_its_own() -> None:
    one = partition(0, "")
    assert one.take(message(0, b'{"a": 1}', b"k"), "customer").fields == {"a": 1, "customer": "k"}
    assert one.take(message(1, b'{"a": 1}', b"k"), None).fields == {"a": 1}
    gone = one.take(message(2, None, b"k"), None)
    assert (gone.fields, gone.body, "tombstone" in gone.problem) == (None, "k", True)


def test_messages_that_the_topic_deleted_are_told_once() -> None:
    one = partition(10, "", first=50)
    ((message_id, fields, *_, problem),) = one.trimmed()
    assert (message_id, fields) == (f"1-{49:020}", None)
    assert problem == "offsets 10 to 49 were deleted by the topic before they were loaded"
    assert one.trimmed() == []
    assert partition(-1001, None, first=50).trimmed() == []
