"""The intake store: what others pushed over HTTP, deletions marked and never dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import dlt
import duckdb
import pyarrow as pa
import sqlalchemy as sa

from loaders.columns import columns, latest_first, quoted
from loaders.cursor import cursor
from loaders.dispositions import REPLACE_KEYS
from loaders.gate import json_field
from loaders.intake.resources import RESOURCES, column_types
from loaders.intake.store import ITEMS, engine_for, exists, store_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlt.extract import DltResource, Incremental

SEQUENCE: Final = "intake_sequence"
"""Grows with every accepted item; the cursor."""
ROWS_AT_ONCE: Final = 50_000
MARKS: Final = columns(
    deleted_at="timestamp",
    batch_id="text",
    accepted_at="timestamp",
    **{SEQUENCE: "bigint"},
)


@dlt.source
def intake(url: str = "", batch_size: int = ROWS_AT_ONCE) -> tuple[DltResource, ...]:
    """Read what was accepted since the last load.

    Args:
        url: SQLAlchemy URL of the store; without one, where the service keeps it.
        batch_size: items fetched at once.
    """
    place = store_url(url)
    return tuple(_resource(name, place, batch_size) for name in RESOURCES)


def _resource(name: str, url: str, batch_size: int) -> DltResource:
    declared = {**columns(**column_types(RESOURCES[name])), **MARKS}
    resource = dlt.resource(
        _items,
        name=name,
        columns=latest_first(declared, SEQUENCE),
        primary_key="id",
        write_disposition=REPLACE_KEYS,
    )
    return resource(url, name, batch_size, cursor=cursor(SEQUENCE))


def _items(url: str, name: str, batch_size: int, cursor: Incremental[Any]) -> Iterator[pa.Table]:
    """Yield the items behind the cursor that were there when the load began."""
    engine = engine_for(url)
    if not exists(engine):
        return
    fields = list(RESOURCES[name].model_fields)
    since = cursor.last_value or 0
    with engine.connect() as connection:
        newest = connection.execute(sa.select(sa.func.max(ITEMS.c.sequence))).scalar() or 0
        while rows := _page(connection, name, since, newest, batch_size):
            yield _arrow(rows, fields, name)
            since = rows[-1][0]


def _page(
    connection: sa.Connection, name: str, since: int, newest: int, count: int
) -> Sequence[Any]:
    wanted = (ITEMS.c.sequence, ITEMS.c.method, ITEMS.c.data, ITEMS.c.batch_id, ITEMS.c.accepted_at)
    return connection.execute(
        sa.select(*wanted)
        .where(ITEMS.c.resource == name, ITEMS.c.sequence > since, ITEMS.c.sequence <= newest)
        .order_by(ITEMS.c.sequence)
        .limit(count)
    ).fetchall()


def _arrow(rows: Sequence[Any], fields: Sequence[str], origin: str) -> pa.Table:
    """Return items as columns: the fields as text, typed by gate one, and the intake's marks."""
    names = (SEQUENCE, "method", "data", "batch_id", "accepted_at")
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    page = pa.table({name: pa.array(values) for name, values in columns.items()})
    parts = ", ".join(f"{json_field('data', field)} as {quoted(field)}" for field in fields)
    with duckdb.connect() as engine:
        engine.register("page", page)
        table = engine.execute(
            f"select {parts}, case when method = 'delete' then accepted_at end as deleted_at, "
            f"batch_id, accepted_at, {SEQUENCE} from page"
        ).to_arrow_table()
    return table.replace_schema_metadata({"origin": f"intake {origin}"})


if __name__ == "__main__":
    from loaders.script import main

    main("intake")
