"""Raw tables as the loaders leave them, filled batch by batch on DuckDB or PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from warehouses import Warehouse

TABLES: Final[dict[str, dict[str, str]]] = {
    "raw_shop_api.users": {
        "id": "bigint",
        "email": "text",
        "first_name": "text",
        "last_name": "text",
        "phone": "text",
        "country_code": "text",
        "is_marketing_opt_in": "boolean",
        "created_at": "timestamptz",
        "updated_at": "timestamptz",
    },
    "raw_shop_db.products": {
        "id": "bigint",
        "sku": "text",
        "name": "text",
        "category": "text",
        "price": "numeric(18, 2)",
        "currency": "text",
        "is_active": "boolean",
        "created_at": "timestamptz",
        "updated_at": "timestamptz",
        "deleted_at": "timestamptz",
    },
    "raw_shop_db.orders": {
        "id": "bigint",
        "user_id": "bigint",
        "status": "text",
        "currency": "text",
        "ordered_at": "timestamptz",
        "shipped_at": "timestamptz",
        "updated_at": "timestamptz",
        "deleted_at": "timestamptz",
    },
    "raw_shop_db.order_items": {
        "id": "bigint",
        "order_id": "bigint",
        "product_id": "bigint",
        "quantity": "bigint",
        "unit_price": "numeric(18, 2)",
        "updated_at": "timestamptz",
        "deleted_at": "timestamptz",
    },
    "raw_event_files.events": {
        "event_id": "text",
        "user_id": "bigint",
        "event_type": "text",
        "page_url": "text",
        "product_id": "bigint",
        "occurred_at": "timestamptz",
        "_file": "text",
        "_line": "bigint",
    },
    "raw_payment_queue.payments": {
        "message_id": "text",
        "payment_id": "bigint",
        "order_id": "bigint",
        "amount": "numeric(18, 2)",
        "currency": "text",
        "method": "text",
        "status": "text",
        "paid_at": "timestamptz",
    },
}
UNIT_OF_ARRIVAL: Final = {
    "raw_event_files.events": "_file",
    "raw_payment_queue.payments": "message_id",
}
FILES: Final = {
    "path": "text",
    "table_name": "text",
    "version": "text",
    "size_bytes": "bigint",
    "count_read": "bigint",
    "count_rejected": "bigint",
    "_dlt_load_id": "text",
}
REJECTS: Final = {
    "reject_id": "text",
    "table_name": "text",
    "reason": "text",
    "payload": "text",
    "origin": "text",
    "position": "text",
    "rejected_at": "timestamptz",
}
LOADS: Final = {
    "load_id": "text",
    "schema_name": "text",
    "status": "bigint",
    "inserted_at": "timestamptz",
    "schema_version_hash": "text",
}


def load_id(number: int) -> str:
    """The load id, as dlt writes it, of the test's load of this number."""
    return f"{1_767_225_600 + number * 100}.25"


def create(warehouse: Warehouse) -> None:
    """Make every raw table, empty."""
    for name, columns in TABLES.items():
        schema = name.partition(".")[0]
        warehouse.execute(f"create schema if not exists {schema}")
        _create(warehouse, name, columns | {"_dlt_load_id": "text"})
        _create(warehouse, f"{schema}._rejects", REJECTS | {"_dlt_load_id": "text"})
        _create(warehouse, f"{schema}._dlt_loads", LOADS)
    _create(warehouse, "raw_event_files._files", FILES)


def load(
    warehouse: Warehouse,
    number: int,
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    files: Sequence[str] = (),
    status: int = 0,
) -> None:
    """Load rows as one package of each source: replaced by key, or by file or message.

    Args:
        warehouse: Where to.
        number: The load's number; later loads have higher ones.
        tables: Rows by table name, e.g. `raw_shop_db.orders`; what a row does not name is null.
        files: Event files that were read besides those that rows name: they hold none.
        status: 0 for a load that was committed.
    """
    events = tables.get("raw_event_files.events", ())
    files = sorted({*files, *(row["_file"] for row in events)})
    for name, rows in tables.items():
        _replace(warehouse, name, UNIT_OF_ARRIVAL.get(name, "id"), rows, number)
    if files:
        listed = ", ".join(_literal(path) for path in files)
        warehouse.execute(
            f"delete from raw_event_files.events where _file in ({listed}) "
            f"and _dlt_load_id <> '{load_id(number)}'"
        )
        seen = [{"path": path, "table_name": "events"} for path in files]
        _replace(warehouse, "raw_event_files._files", "path", seen, number)
        tables = {"raw_event_files._files": seen, **tables}
    for schema in {name.partition(".")[0] for name in tables}:
        record(warehouse, schema, number, status=status)


def _replace(
    warehouse: Warehouse,
    name: str,
    unit: str,
    rows: Sequence[Mapping[str, Any]],
    number: int,
) -> None:
    values = {row[unit] for row in rows}
    if values:
        listed = ", ".join(_literal(value) for value in values)
        warehouse.execute(f"delete from {name} where {unit} in ({listed})")
        columns = [*TABLES.get(name, FILES), "_dlt_load_id"]
        stamped = [{**row, "_dlt_load_id": load_id(number)} for row in rows]
        _insert(warehouse, name, list(dict.fromkeys(columns)), stamped)


def record(warehouse: Warehouse, schema: str, number: int, *, status: int = 0) -> None:
    """Record a load of one source, committed if its status is 0."""
    row = {"load_id": load_id(number), "schema_name": schema, "status": status}
    row |= {"inserted_at": "2026-01-01 00:00:00+00", "schema_version_hash": "-"}
    _insert(warehouse, f"{schema}._dlt_loads", list(LOADS), [row])


def _create(warehouse: Warehouse, name: str, columns: Mapping[str, str]) -> None:
    listed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
    warehouse.execute(f"create table if not exists {name} ({listed})")


def _insert(
    warehouse: Warehouse, name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> None:
    values = ", ".join(
        "(" + ", ".join(_literal(row.get(column)) for column in columns) + ")" for row in rows
    )
    if values:
        warehouse.execute(f"insert into {name} ({', '.join(columns)}) values {values}")


def _literal(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool | int):
        return str(value).lower()
    return "'" + str(value).replace("'", "''") + "'"
