"""A partition remembers, beside its offset, how often each part of it was delivered."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("confluent_kafka", reason="confluent-kafka is not installed")
from loaders.readers.kafka import Partition


def partition(offset: int, metadata: str | None, *, first: int = 0, end: int = 100) -> Partition:
    committed = SimpleNamespace(partition=1, offset=offset, metadata=metadata)
    return Partition(committed, first, end)


def test_one_that_was_never_read_begins_at_its_first_message() -> None:
    begun = partition(-1001, None, first=5)
    assert (begun.base, begun.next, begun.tries(5)) == (5, 5, 0)


def test_what_is_delivered_is_counted_up_to_where_it_was_read() -> None:
    one = partition(10, "")
    assert [one.take(n, b"{}").deliveries for n in (10, 11)] == [1, 1]
    assert one.tried() == "12:1"
    again = partition(10, "12:1")
    assert [again.take(n, b"{}").deliveries for n in (10, 11, 12)] == [2, 2, 1]
    assert again.tried() == "13:2"


def test_a_part_that_is_tried_apart_is_counted_apart() -> None:
    one = partition(10, "50:3")
    one.take(10, b"{}")
    assert one.tried() == "11:4 50:3"
    one.base = 11
    assert one.tried() == "50:3"


def test_message_ids_sort_by_offset() -> None:
    one = partition(0, "")
    assert one.take(9, b"{}").message_id < one.take(10, b"{}").message_id
