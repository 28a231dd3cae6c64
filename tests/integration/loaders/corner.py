"""A corner shop as a source of given rows, and what came of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dlt

from loaders import rejects
from loaders.columns import columns, latest_first
from loaders.dispositions import REPLACE_KEYS
from loaders.rejects import Reject, Wanted

if TYPE_CHECKING:
    from dlt.extract import DltSource

    from loaders.accounting import TableCount
    from loaders.warehouse import Target

STRICT = columns(id="bigint", amount="decimal(18, 2)", updated_at="timestamp")
LOOSE = columns(id="bigint", amount="text", updated_at="timestamp")
NOON = "2026-01-01T12:00:00Z"
ONE = "2026-01-01T13:00:00Z"


def shop(*rows: dict[str, Any], declared: Any = STRICT, is_dated: bool = True) -> DltSource:
    """A source of given rows, merged by id, the latest by `updated_at`."""
    hints = latest_first(declared, "updated_at") if is_dated else declared

    @dlt.source(name="corner")
    def corner() -> Any:
        return dlt.resource(
            [list(rows)],
            name="sales",
            primary_key="id",
            columns=hints,
            write_disposition=REPLACE_KEYS,
        )

    return corner()


def sale(number: Any, amount: Any = "1.50", updated_at: Any = NOON, **more: Any) -> dict[str, Any]:
    return {"id": number, "amount": amount, "updated_at": updated_at, **more}


def fetch(target: Target, sql: str) -> list[tuple[Any, ...]]:
    with target.connect() as connection:
        return connection.execute(sql).fetchall()


def sales(target: Target) -> list[tuple[Any, ...]]:
    return fetch(target, "select id, amount from raw_corner.sales order by id")


def open_(target: Target, **wanted: Any) -> list[Reject]:
    with target.connect() as connection:
        return rejects.find(connection, Wanted(**wanted))


def counts(found: list[TableCount]) -> list[tuple[int, int, int, int]]:
    return [(t.read, t.loaded, t.collapsed, t.rejected) for t in found]
