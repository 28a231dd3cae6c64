"""Gate one: what cannot be read as its declared shape goes to `_rejects`, the rest goes on.

Set-wise in DuckDB: rows never pass through Python one by one.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

import dlt
import duckdb
import pyarrow as pa
from dlt.extract.items_transform import BaseItemTransform, ItemTransform

from loaders.accounting import tally
from loaders.addresses import shown_url
from loaders.columns import duckdb_type, formats, literal, named, nulls, quoted
from loaders.exact import as_json
from loaders.frames import frames
from loaders.naming import distinct
from loaders.quarantine import COLUMNS, SHOWN_NUL, TABLE, rejected
from loaders.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from dlt.common.normalizers.naming import NamingConvention
    from dlt.extract import DltResource

TEXTS: Final = (pa.string(), pa.large_string(), pa.string_view())
DOCUMENT: Final = "payload"
"""The one column of a page of JSON."""
NO_OBJECT: Final = "'not a JSON object'"
REJECT_SHAPE = Shape(
    table=TABLE,
    types={name: duckdb_type(hint) for name, hint in COLUMNS.items()},
    key=("reject_id",),
)


def reject_select(
    table: str, *, reason: str, payload: str, origin: str, position: str, load_id: str, by: str = ""
) -> str:
    """Return the select list of a reject, from expressions for each of its parts.

    Args:
        table: the raw table that the row was meant for.
        reason: why it does not pass.
        payload: the row as it arrived.
        origin: file, page, stream or database table.
        position: line, item, message id or key.
        load_id: dlt's id of the load.
        by: what tells this reject from another one with the same payload, if anything does.
    """
    identity = f"concat_ws('|', {literal(table)}, {by + ',' if by else ''} {payload})"
    reason, payload, position = (
        f"replace(({part})::varchar, chr(0), {literal(SHOWN_NUL)})"
        for part in (reason, payload, position)
    )
    return (
        f"md5({identity}) as reject_id, {literal(table)} as table_name, {reason} as reason, "
        f"{payload} as payload, {origin} as origin, {position} as position, "
        f"to_timestamp({float(load_id)}) as rejected_at, {literal(load_id)} as _dlt_load_id"
    )


def empty_rows(shape: Shape) -> pa.Table:
    """Return no rows, of the columns that a shape declares."""
    return duckdb.execute(f"select {shape.good({}, load_id='')} limit 0").to_arrow_table()


def shape(resource: DltResource) -> Shape | None:
    """Return the shape that a dlt resource declares.

    None where it declares no columns, or names its table by what is in each row.
    """
    if callable(resource.table_name):
        return None
    hints = resource.compute_table_schema()["columns"]
    types = {
        named(name): duckdb_type(column)
        for name, column in hints.items()
        if column.get("data_type") and not name.startswith("_dlt")
    }
    marked = (named(n) for n, c in hints.items() if c.get("primary_key"))
    key = tuple(dict.fromkeys(marked))
    if not types:
        return None
    return Shape(
        table=str(resource.name),
        types=types,
        key=key,
        formats=formats(hints),
        nulls=nulls(hints),
        hints=hints,
    )


class Gate(ItemTransform[Any, Any]):
    """The step of a dlt resource that splits its pages into typed Arrow rows and rejects."""

    placement_affinity: ClassVar[float] = 0.95  # behind a user's own steps, before the cursor

    def __init__(self, shape: Shape) -> None:
        BaseItemTransform.__init__(self)
        self.shape = shape

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB of its own, opened when there is something to judge."""
        return duckdb.connect().execute("set TimeZone = 'UTC'")

    def __call__(self, item: Any, meta: Any = None) -> Any:
        """Return an iterator over a page's good rows, then its rejects, as Arrow tables."""
        if meta is not None or item is None:  # made by a reader that has its own gate
            return item
        return self._pass(item)

    def _pass(self, item: Any) -> Iterator[Any]:
        for page in frames(item) or [item]:
            good, rejects, count = self._split(page)
            tally().add(self.shape.table, read=count, good=good.num_rows)
            if good.num_rows:
                yield good
            if rejects is not None:
                yield rejected(rejects)

    def _split(self, item: Any) -> tuple[pa.Table, pa.Table | None, int]:
        page, fields, payload = self._page(item)
        shape = replace(self.shape, typed=_typed(page.schema, fields))
        shape.check(fields)
        reason = shape.reason(fields)
        if payload == DOCUMENT:
            reason = f"case when {payload}[1] <> '{{' then {NO_OBJECT} else {reason} end"
        self.connection.register("page", page)
        good = self._rows(
            f"select {shape.good(fields, load_id=tally().load_id)} from page where {reason} = ''"
        )
        if good.num_rows == page.num_rows:
            return good, None, page.num_rows
        rejects = self._rows(
            f"select {self._reject(item, fields, payload, reason)} from page where {reason} <> ''"
        )
        return good, rejects, page.num_rows

    def _rows(self, sql: str) -> pa.Table:
        return self.connection.execute(sql).to_arrow_table()

    def _reject(self, item: Any, fields: Mapping[str, str], payload: str, reason: str) -> str:
        keys = ", ".join(f"({fields[name]})::varchar" for name in self.shape.key if name in fields)
        return reject_select(
            self.shape.table,
            reason=reason,
            payload=payload,
            origin=literal(origin(item) or self.shape.table),
            position=f"concat_ws(', ', {keys})" if keys else "''",
            load_id=tally().load_id,
        )

    def _page(self, item: Any) -> tuple[pa.Table, dict[str, str], str]:
        """Return a page as Arrow, the expression of each field in it, and that of its raw text."""
        if isinstance(item, pa.Table):
            fields = named_apart([item.column_names], quoted)
            return item, fields, "to_json(page)::varchar"
        rows = item if isinstance(item, list) else [item]
        page = pa.table({DOCUMENT: [as_json(row) for row in rows]})
        kinds = dict.fromkeys(tuple(row) for row in rows if isinstance(row, dict))
        return page, named_apart(kinds, partial(json_field, DOCUMENT)), DOCUMENT


def _typed(schema: pa.Schema, fields: Mapping[str, str]) -> frozenset[str]:
    """Return which fields of a page do not arrive as text."""
    typed = {quoted(one.name) for one in schema if one.type not in TEXTS}
    return frozenset(name for name, value in fields.items() if value in typed)


def normalize(name: str, naming: NamingConvention | None = None) -> str:
    """Return a source's column name as dlt writes it in the warehouse."""
    naming = naming or dlt.current.source_schema().naming
    return str(naming.normalize_identifier(name if name.strip() else "unnamed"))


def named_apart(
    rows: Collection[Sequence[str]],
    value: Callable[[str], str],
    taken: Iterable[str] = (),
    naming: NamingConvention | None = None,
) -> dict[str, str]:
    """Return the SQL expression of each column of a file or page, by its name in the warehouse.

    Args:
        rows: the names that a row has in the source; each list of them once.
        value: returns the expression of what has one of these names.
        taken: names that columns of ours have.
        naming: that of the warehouse, where dlt is not extracting.
    """
    naming = naming or dlt.current.source_schema().naming
    found = distinct(rows, partial(normalize, naming=naming), ("_dlt_load_id", *taken))
    return {
        name: f"coalesce({', '.join(map(value, sources))})" if sources[1:] else value(sources[0])
        for name, sources in found.items()
    }


def json_field(document: str, key: str) -> str:
    """Return the SQL expression of one key of a JSON document, as text."""
    return f"json_extract_string({document}, {literal(json_path(key))})"


def json_path(key: str) -> str:
    """Return DuckDB's path of one key of a JSON document."""
    if not key:
        return "/"
    return '$."' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


def origin(item: Any) -> str:
    """Return where a page came from: its URL, or what its Arrow schema says; else ''."""
    response = getattr(item, "response", None)
    if response is not None:  # the request is already the next page's
        return shown_url(str(response.url))
    if isinstance(item, list):
        return str(getattr(item, "origin", ""))
    metadata = getattr(getattr(item, "schema", None), "metadata", None) or {}
    return str(metadata.get(b"origin", b"").decode())
