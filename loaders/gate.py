"""Gate one: what cannot be read as its declared shape goes to `_rejects`, the rest goes on.

Set-wise in DuckDB: rows never pass through Python one by one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import dlt
import duckdb
import orjson
import pyarrow as pa
from dlt.extract.items_transform import BaseItemTransform, ItemTransform

from loaders.accounting import tally
from loaders.addresses import shown_url
from loaders.columns import duckdb_type, literal, quoted
from loaders.drift import ANYTHING, FREEZE, Rule
from loaders.errors import TableStopped
from loaders.quarantine import COLUMNS, TABLE, rejected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dlt.extract import DltResource

WHOLE_NUMBER = r"[+-]?\d+(\.0*)?"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a table's rows must look like to pass."""

    table: str
    types: Mapping[str, str]
    """Declared column to DuckDB type; other columns pass as text."""
    key: tuple[str, ...]
    """Columns that must not be null, since rows are merged by them."""
    rule: Rule = ANYTHING
    """How the table takes further columns."""

    def check(self, names: Iterable[str]) -> None:
        """Look at the columns that have come.

        Raises:
            TableStopped: some of them are new, and the table is frozen.
        """
        new = self.rule.unknown(names) if self.rule.policy == FREEZE else []
        if new:
            source = dlt.current.source_schema().name
            raise TableStopped(
                f"The table '{source}.{self.table}' stopped: its rows have the new columns "
                f"{', '.join(new)}, and its shape is frozen. Nothing of it was loaded, and nothing "
                "is lost. Declare them in its `columns`, or let it EVOLVE, and load again.",
                table=self.table,
            )

    def good(self, fields: Mapping[str, str], *, load_id: str, extra: str = "") -> str:
        """Return the select list of rows that pass.

        Args:
            fields: column to the SQL expression of what arrived for it, text or typed.
            load_id: dlt's id of the load that these rows belong to.
            extra: further select items, ended by a comma.
        """
        new = self.rule.unknown(fields)
        declared = [f"{self.cast(name, fields)} as {quoted(name)}" for name in self.types]
        others = [
            f"({expression})::varchar as {quoted(name)}"
            for name, expression in fields.items()
            if name not in self.types and name not in new
        ]
        return ", ".join([*declared, *others, f"{extra} {literal(load_id)} as _dlt_load_id"])

    def cast(self, name: str, fields: Mapping[str, str]) -> str:
        """Return the expression that gives a declared column its type, or null for a misfit."""
        kind = self.types[name]
        arrived = fields.get(name)
        if arrived is None:
            return f"null::{kind}"
        if kind == "bigint":  # a plain cast would round '1.5' to 2
            whole = f"regexp_full_match(trim(({arrived})::varchar), '{WHOLE_NUMBER}')"
            return f"case when {whole} then try_cast({arrived} as bigint) end"
        return f"try_cast({arrived} as {kind})"

    def reason(self, fields: Mapping[str, str]) -> str:
        """Return the expression that tells why a row does not pass: '' when it does."""
        misfits = [
            f"case when ({fields[name]}) is not null and ({self.cast(name, fields)}) is null then "
            f"{literal(name + ': ')} || {literal(chr(39))} || left(({fields[name]})::varchar, 80) "
            f"|| {literal(chr(39) + ' is not a ' + kind)} end"
            for name, kind in self.types.items()
            if name in fields and kind != "varchar"
        ]
        missing = [
            f"case when ({fields.get(name, 'null')}) is null "
            f"then {literal(name + ' is missing')} end"
            for name in self.key
        ]
        new = [
            f"case when ({fields[name]}) is not null then {literal(name + ' is a new column')} end"
            for name in self.rule.unknown(fields)
        ]
        return f"concat_ws('; ', {', '.join([*misfits, *missing, *new, 'null'])})"


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
    return (
        f"md5({identity}) as reject_id, {literal(table)} as table_name, {reason} as reason, "
        f"{payload} as payload, {origin} as origin, ({position})::varchar as position, "
        f"to_timestamp({float(load_id)}) as rejected_at, {literal(load_id)} as _dlt_load_id"
    )


def empty_rows(shape: Shape) -> pa.Table:
    """Return no rows, of the columns that a shape declares."""
    return duckdb.execute(f"select {shape.good({}, load_id='')} limit 0").to_arrow_table()


def shape(resource: DltResource, rule: Rule = ANYTHING) -> Shape | None:
    """Return the shape that a dlt resource declares; None where it declares no columns."""
    hints = resource.compute_table_schema()
    types = {
        name: duckdb_type(column)
        for name, column in hints["columns"].items()
        if column.get("data_type") and not name.startswith("_dlt")
    }
    key = tuple(n for n, c in hints["columns"].items() if c.get("primary_key"))
    return Shape(table=str(resource.name), types=types, key=key, rule=rule) if types else None


class Gate(ItemTransform[Any, Any]):
    """The step of a dlt resource that splits its pages into typed Arrow rows and rejects."""

    placement_affinity: ClassVar[float] = 0.95  # behind a user's own steps, before the cursor

    def __init__(self, shape: Shape) -> None:
        BaseItemTransform.__init__(self)
        self.shape = shape
        self.connection = duckdb.connect()
        self.connection.execute("set TimeZone = 'UTC'")

    def __call__(self, item: Any, meta: Any = None) -> Any:
        """Return an iterator over a page's good rows, then its rejects, as Arrow tables."""
        if meta is not None or item is None:  # made by a reader that has its own gate
            return item
        return self._pass(item)

    def _pass(self, item: Any) -> Iterator[Any]:
        good, rejects, count = self._split(item)
        tally().add(self.shape.table, read=count, good=good.num_rows)
        if good.num_rows:
            yield good
        if rejects is not None:
            yield rejected(rejects)

    def _split(self, item: Any) -> tuple[pa.Table, pa.Table | None, int]:
        page, fields, payload = self._page(item)
        self.shape.check(fields)
        load_id = tally().load_id
        reason = self.shape.reason(fields)
        self.connection.register("page", page)
        good = self._rows(
            f"select {self.shape.good(fields, load_id=load_id)} from page where {reason} = ''"
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
        if isinstance(item, pa.RecordBatch):
            item = pa.Table.from_batches([item])
        if isinstance(item, pa.Table):
            fields = {normalize(name): quoted(name) for name in item.column_names}
            return item, fields, "to_json(page)::varchar"
        rows = item if isinstance(item, list) else [item]
        names = dict.fromkeys(name for row in rows for name in row)
        page = pa.table({"payload": [as_json(row) for row in rows]})
        return page, {normalize(n): json_field("payload", n) for n in names}, "payload"


def as_json(row: Any) -> str:
    """Return a row as JSON, whatever is in it: whole numbers of any size, keys of any type."""
    try:
        return orjson.dumps(row, default=str).decode()
    except TypeError:
        text = json.dumps(row, default=str, ensure_ascii=False)
        return text.encode(errors="replace").decode()


def normalize(name: str) -> str:
    """Return a source's column name as dlt writes it in the warehouse."""
    return str(dlt.current.source_schema().naming.normalize_identifier(name))


def json_field(document: str, key: str) -> str:
    """Return the SQL expression of one key of a JSON document, as text."""
    return f"json_extract_string({document}, {literal(json_path(key))})"


def json_path(key: str) -> str:
    """Return DuckDB's path of one key of a JSON document."""
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
