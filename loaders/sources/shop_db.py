"""The shop's database: products, orders and order items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import dlt

from loaders.columns import columns
from loaders.cursor import cursor
from loaders.readers.database import ROWS_AT_ONCE, table

if TYPE_CHECKING:
    from dlt.extract import DltResource

PRODUCTS: Final = columns(
    id="bigint",
    sku="text",
    name="text",
    category="text",
    price="decimal(18, 2)",
    currency="text",
    is_active="boolean",
    created_at="timestamp",
    updated_at="timestamp",
    deleted_at="timestamp",
)
ORDERS: Final = columns(
    id="bigint",
    user_id="bigint",
    status="text",
    currency="text",
    ordered_at="timestamp",
    shipped_at="timestamp",
    updated_at="timestamp",
    deleted_at="timestamp",
)
ORDER_ITEMS: Final = columns(
    id="bigint",
    order_id="bigint",
    product_id="bigint",
    quantity="bigint",
    unit_price="decimal(18, 2)",
    updated_at="timestamp",
    deleted_at="timestamp",
)


@dlt.source
def shop_db(
    url: str = dlt.secrets.value,
    batch_size: int = ROWS_AT_ONCE,
    sweep_deletes: bool = False,
    allow_shrink: bool = False,
    parallel: int = 1,
) -> tuple[DltResource, ...]:
    """Read what changed in the shop's tables since the last load.

    Args:
        url: SQLAlchemy URL of the database.
        batch_size: rows fetched at once.
        sweep_deletes: also compare all keys; what vanished is marked in `deleted_at`.
        allow_shrink: believe it when more than half of a table has vanished.
        parallel: read a backfill's window in so many parts at once.
    """
    tables = {"products": PRODUCTS, "orders": ORDERS, "order_items": ORDER_ITEMS}
    return tuple(
        table(
            name,
            url,
            key="id",
            columns=declared,
            cursor=cursor("updated_at"),
            batch_size=batch_size,
            deleted_at="deleted_at",
            sweep_deletes=sweep_deletes,
            allow_shrink=allow_shrink,
            parallel=parallel,
        )
        for name, declared in tables.items()
    )


if __name__ == "__main__":
    from loaders.script import main

    main("shop_db")
