"""The SQL of a delivery: what is desired, what is delivered, and the difference between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loaders.connection import Connection

KEY_SEPARATOR = "chr(31)"
"""Stands between the parts of a key of several columns; a control character made for it."""

_INTEGERS = ("bigint", "integer", "smallint", "tinyint", "ubigint", "uinteger", "utinyint")

RECORD = """
create table if not exists {record} (
    item_key text, payload_hash text, status text, refused_hash text, code integer, answer text,
    delivered_at timestamp, refused_at timestamp, run_id text
)"""

ANSWERS = """
create table if not exists {answers} (
    _batch bigint, item_key text, outcome text, code integer, answer text,
    answered_at timestamp, run_id text
)"""

# A delivered row that is now desired as it was last delivered has nothing left to be refused; one
# that was never delivered and is no longer desired has nothing left to be remembered.
FORGIVE = """
update {record} set status = 'delivered', refused_hash = null, refused_at = null
where refused_hash is not null and exists (
    select 1 from {desired} as desired
    where desired._key = item_key and desired._hash = payload_hash
)"""

FORGET = """
delete from {record}
where payload_hash is null and not exists (
    select 1 from {desired} as desired where desired._key = item_key
)"""

# A batch holds upserts or deletions, never both. Numbering without an order costs no sort; done
# over rows that are kept aside first, it does not hold the comparison of the others up.
PLAN = """
create table {outbox} as
with

difference as materialized (
    select
        coalesce(desired._key, record.item_key) as _key,
        case when desired._key is null then 'delete' else 'upsert' end as _method,
        coalesce(desired._hash, 'delete') as _hash,
        {columns}
    from {desired} as desired
    full join {record} as record on record.item_key = desired._key
    where (
        desired._key is not null
        and record.payload_hash is distinct from desired._hash
        and record.refused_hash is distinct from desired._hash
    ) or (
        desired._key is null
        and record.payload_hash is not null
        and record.refused_hash is distinct from 'delete'
    )
)

select
    cast(floor((row_number() over () - 1) / {batch_size}) as bigint) * 2
        + case when _method = 'delete' then 0 else 1 end as _batch,
    row_number() over () as _position,
    '{plan}' as _plan,
    difference.*
from difference"""

SETTLED = """
create temporary table settled as
select
    outbox._key as item_key,
    case coalesce(one.outcome, whole.outcome)
        when 'delivered' then outbox._hash when 'unknown' then '?' else record.payload_hash
    end as payload_hash,
    coalesce(one.outcome, whole.outcome) as status,
    case when one.outcome = 'refused' then outbox._hash end as refused_hash,
    one.code as code,
    one.answer as answer,
    case when coalesce(one.outcome, whole.outcome) = 'delivered' then whole.answered_at
        else record.delivered_at end as delivered_at,
    case when one.outcome = 'refused' then whole.answered_at end as refused_at,
    whole.run_id as run_id
from {outbox} as outbox
inner join {answers} as whole on whole._batch = outbox._batch and whole.item_key is null
left join {answers} as one on one._batch = outbox._batch and one.item_key = outbox._key
left join {record} as record on record.item_key = outbox._key"""

REPLACE = "delete from {record} where item_key in (select item_key from settled)"

# A deletion that was delivered leaves nothing to remember.
KEEP = "insert into {record} select * from settled where payload_hash is distinct from 'delete'"

COUNTS = """
select
    coalesce(sum(case when _method = 'upsert' then 1 else 0 end), 0),
    coalesce(sum(case when _method = 'delete' then 1 else 0 end), 0)
from {outbox}"""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A desired state: a table of the warehouse, its key, and its columns."""

    kind: str
    """`duckdb` or `postgres`."""
    name: str
    """`schema.table`."""
    key: tuple[str, ...]
    types: dict[str, str]
    """Type by column, in the table's order."""
    is_view: bool = False
    """Whether each look at it computes it anew."""

    @property
    def payload(self) -> list[str]:
        """The columns beside the key."""
        return [column for column in self.types if column not in self.key]

    def desired(self) -> str:
        """Return a subquery of the model's columns with `_key` and `_hash` for each row."""
        parts = [f"cast({quoted(column)} as text)" for column in self.key]
        key = f" || {KEY_SEPARATOR} || ".join(parts)
        return (
            f"(select {key} as _key, {self.hash()} as _hash, {names(list(self.types))} "
            f"from {relation(self.name)} as model)"
        )

    def hash(self) -> str:
        """Return an expression that differs when any column beside the key does.

        It is the MD5 of their texts: the same on all versions of both warehouses, unlike DuckDB's
        own faster hash(), with which a new version would send everything again.
        """
        texts = [f"coalesce(cast({quoted(column)} as text), chr(30))" for column in self.payload]
        return f"md5(concat_ws({KEY_SEPARATOR}, '', {', '.join(texts)}))" if texts else "md5('')"

    def columns(self, *, only_keys: bool) -> str:
        """Return the columns of a difference's rows; a deletion knows its key from the record."""
        columns = [column for column in self.types if not only_keys or column in self.key]
        return ",\n        ".join(map(self._column, columns))

    def json(self) -> str:
        """Return an expression for the columns beside the key as a JSON object, as text."""
        if not self.payload:
            return "'{}'"
        if self.kind == "postgres":
            return f"(select row_to_json(item)::text from (select {names(self.payload)}) as item)"
        fields = [f"'{_escaped(column)}': {self._json_value(column)}" for column in self.payload]
        return f"cast(to_json({{{', '.join(fields)}}}) as text)"

    def _json_value(self, column: str) -> str:
        """DuckDB writes a timestamp with a space, PostgreSQL and most APIs with a T."""
        if self.types[column].lower().startswith("timestamp"):
            return f"replace(cast({quoted(column)} as text), ' ', 'T')"
        return quoted(column)

    def _column(self, column: str) -> str:
        if column not in self.key:
            return f"desired.{quoted(column)}"
        part = "record.item_key"
        if len(self.key) > 1:
            number = self.key.index(column) + 1
            part = f"split_part(record.item_key, {KEY_SEPARATOR}, {number})"
        kept = f"cast({part} as {self.types[column]})"
        return f"coalesce(desired.{quoted(column)}, {kept}) as {quoted(column)}"


def describe(connection: Connection, name: str, key: Sequence[str]) -> Model:
    """Read a table's columns and types from the warehouse."""
    schema, table = name.split(".")
    found = connection.execute(
        "select column_name, data_type, numeric_precision, numeric_scale "
        "from information_schema.columns "
        "where table_schema = ? and table_name = ? order by ordinal_position",
        [schema, table],
    ).fetchall()
    types = {str(row[0]): _type(*row[1:]) for row in found if not row[0].startswith("_")}
    views = connection.execute(
        "select 1 from information_schema.tables "
        "where table_schema = ? and table_name = ? and table_type = 'VIEW'",
        [schema, table],
    ).fetchall()
    return Model(kind=connection.kind, name=name, key=tuple(key), types=types, is_view=bool(views))


def _type(kind: str, precision: int | None, scale: int | None) -> str:
    """PostgreSQL tells a numeric's digits beside its type; DuckDB tells them in it."""
    return f"numeric({precision},{scale})" if kind == "numeric" and precision else kind


def family(kind: str) -> str:
    """Return the family of a type of the warehouse."""
    plain = kind.lower()
    if plain in _INTEGERS:
        return "integer"
    if plain.startswith(("decimal", "numeric")):
        return "numeric"
    if plain in {"double", "float", "real", "double precision"}:
        return "double"
    if plain == "timestamp with time zone":
        return "timestamptz"
    if plain.startswith("timestamp"):
        return "timestamp"
    return plain if plain in {"boolean", "date"} else "text"


def quoted(name: str) -> str:
    """Return a name in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def names(columns: Sequence[str]) -> str:
    """Return column names in double quotes, with commas."""
    return ", ".join(quoted(column) for column in columns)


def relation(name: str) -> str:
    """Return `schema.table` with both parts quoted."""
    return ".".join(quoted(part) for part in name.split("."))


def _escaped(text: str) -> str:
    return text.replace("'", "''")
