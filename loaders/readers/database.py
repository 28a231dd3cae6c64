"""Tables of a database, read as Arrow batches through any SQLAlchemy URL."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import dlt
import pyarrow as pa
import sqlalchemy as sa

from loaders.columns import latest_first
from loaders.dispositions import REPLACE_KEYS
from loaders.errors import SourceRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlt.common.schema.typing import TColumnSchema
    from dlt.extract import DltResource, Incremental

ROWS_AT_ONCE: Final = 50_000


def table(
    name: str,
    url: str,
    *,
    key: str | tuple[str, ...],
    columns: dict[str, TColumnSchema],
    cursor: Incremental[Any] | None = None,
    source_table: str | None = None,
    batch_size: int = ROWS_AT_ONCE,
) -> DltResource:
    """Return a resource of a table's rows, merged on its key.

    Args:
        name: the raw table's name.
        url: SQLAlchemy URL of the database.
        key: the table's primary key.
        columns: declared columns (`loaders.columns.columns`); others arrive as text.
        cursor: `loaders.cursor.cursor(column)` to read only what changed; without one the whole
            table is read each time.
        source_table: the table's or view's name in the database where it differs; with its
            schema, if any.
        batch_size: rows fetched at once; bounds memory.
    """
    place = (url, source_table or name, batch_size)
    if cursor is not None:
        columns = latest_first(columns, cursor.cursor_path)
    resource = dlt.resource(
        _all_rows if cursor is None else _changed_rows,
        name=name,
        columns=columns,
        primary_key=key,
        write_disposition=REPLACE_KEYS,
    )
    return resource(*place) if cursor is None else resource(*place, cursor=cursor)


def _all_rows(url: str, name: str, batch_size: int) -> Iterator[pa.Table]:
    yield from _read(url, name, batch_size)


def _changed_rows(
    url: str, name: str, batch_size: int, cursor: Incremental[Any]
) -> Iterator[pa.Table]:
    yield from _read(url, name, batch_size, cursor.cursor_path, cursor.last_value)


def _read(
    url: str, name: str, batch_size: int, cursor: str | None = None, since: Any = None
) -> Iterator[pa.Table]:
    """Yield a table's rows in batches, from one snapshot, through a server-side cursor."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    statement = _select(_reflect(engine, name), cursor, since, engine.dialect.name)
    with engine.connect().execution_options(stream_results=True) as connection:
        result = connection.execute(statement)
        names = list(result.keys())
        while rows := result.fetchmany(batch_size):
            yield _arrow(names, rows, name)


def _reflect(engine: sa.Engine, name: str) -> sa.Table:
    schema, _, bare = name.rpartition(".")
    try:
        return sa.Table(bare, sa.MetaData(), schema=schema or None, autoload_with=engine)
    except sa.exc.NoSuchTableError:
        known = ", ".join(sorted(sa.inspect(engine).get_table_names(schema or None))) or "none"
        raise SourceRefused(
            f"No table named '{name}' in {engine.url.render_as_string()}. Tables there: {known}. "
            "Check the name, its schema, and what this user may see."
        ) from None


def _select(table: sa.Table, cursor: str | None, since: Any, dialect: str) -> Any:
    """Select all columns as the driver gives them, so that a wrong value never stops the read."""
    columns = [sa.type_coerce(column, sa.types.NullType).label(column.name) for column in table.c]
    statement = sa.select(*columns)
    if cursor is None or since is None:
        return statement
    column: Any = table.c[cursor]
    if isinstance(since, datetime):
        moment = since.astimezone(UTC) if since.tzinfo else since.replace(tzinfo=UTC)
        if dialect == "sqlite":  # texts in some form: compared as whole seconds
            column, since = sa.func.datetime(column), moment.strftime("%Y-%m-%d %H:%M:%S")
        else:
            since = (
                moment if getattr(column.type, "timezone", False) else moment.replace(tzinfo=None)
            )
    return statement.where(sa.or_(column >= since, column.is_(None)))


def _arrow(names: Sequence[str], rows: Sequence[Any], origin: str) -> pa.Table:
    columns = [_column(values) for values in zip(*rows, strict=True)]
    return pa.table(dict(zip(names, columns, strict=True))).replace_schema_metadata(
        {"origin": origin}
    )


def _column(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return pa.array([_text(value) for value in values])


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)
