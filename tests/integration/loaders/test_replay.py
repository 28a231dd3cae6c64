"""A replay puts rows through the gate as it is now, however many there are."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import orjson
import pytest

from loaders.columns import columns
from loaders.errors import TableStopped
from loaders.load import load
from loaders.replay import replay
from tests.integration.loaders.corner import ONE, counts, fetch, open_, sale, sales, shop

if TYPE_CHECKING:
    from loaders.warehouse import Target

pytestmark = pytest.mark.slow


def test_a_column_that_is_declared_otherwise_is_changed_first(target: Target) -> None:
    narrow = columns(id="bigint", amount="bigint", updated_at="timestamp")
    load(shop(sale(1, "1"), sale(2, "7.5"), declared=narrow), target=target)
    assert counts(replay(shop(), target=target)) == [(1, 1, 0, 0)]
    assert sales(target) == [(1, Decimal("1.00")), (2, Decimal("7.50"))]
    load(shop(sale(3, "2.5")), target=target)
    assert sales(target)[2] == (3, Decimal("2.50"))


def test_a_column_that_cannot_be_changed_stops_the_replay(target: Target) -> None:
    load(shop(sale(1, "1.5"), sale(2, "much")), target=target)
    narrow = columns(id="bigint", amount="bigint", updated_at="timestamp")
    with pytest.raises(TableStopped, match="'amount' is declared as bigint"):
        replay(shop(declared=narrow), target=target)
    assert len(open_(target)) == 1
    assert sales(target) == [(1, Decimal("1.50"))]


def test_many_rejects_are_judged_some_at_a_time(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loaders.replay.ROWS_AT_ONCE", 3)
    narrow = columns(id="bigint", amount="bigint", updated_at="timestamp")
    rows = [sale(n, "much" if n % 4 == 0 else "1.5") for n in range(10)]
    rows += [sale(7, "9.5", ONE), sale(11, "2.5", colour="red"), sale(12, "3.5", shade="dark")]
    load(shop(*rows, declared=narrow), target=target)
    assert counts(replay(shop(), target=target)) == [(13, 9, 1, 3)]
    assert (7, Decimal("9.50")) in sales(target)
    assert len(sales(target)) == len({number for number, _ in sales(target)}) == 9
    assert {orjson.loads(one.payload)["amount"] for one in open_(target)} == {"much"}
    assert fetch(target, "select count(colour), count(shade) from raw_corner.sales") == [(1, 1)]
