"""What an output still has to be told, as its plan has it: read in batches or in spans."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

from loaders import delivery_sql as sql
from loaders.senders.facts import Batch, Item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loaders.connection import Connection

SCHEMA = "deliveries"
ITEMS_AT_ONCE = 2_000
"""How many items are held in memory while they wait to be sent."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How much there is to send."""

    upserts: int
    deletes: int
    batches: int

    @property
    def items(self) -> int:
        """Upserts and deletes."""
        return self.upserts + self.deletes


@dataclass(frozen=True, kw_only=True)
class Span:
    """Neighbours in the outbox, all of one batch."""

    number: int
    """The batch's."""
    method: str
    first: int
    last: int
    """Positions, both included."""

    @property
    def count(self) -> int:
        """How many items it holds."""
        return self.last - self.first + 1


class Outbox:
    """The table `deliveries.<output>__outbox`."""

    def __init__(self, connection: Connection, output: str) -> None:
        self.connection = connection
        self.output = output
        self.table = sql.relation(f"{SCHEMA}.{output}__outbox")

    def counts(self) -> Counts:
        """Count what is in the outbox."""
        upserts, deletes, batches = self.connection.execute(
            sql.COUNTS.format(outbox=self.table)
        ).fetchall()[0]
        return Counts(upserts=int(upserts), deletes=int(deletes), batches=int(batches))

    def model(self, key: tuple[str, ...]) -> sql.Model:
        """Describe the outbox itself, whose columns are those of the model when it was planned."""
        return sql.describe(self.connection, f"{SCHEMA}.{self.output}__outbox", key)

    def batches(self, key: tuple[str, ...]) -> Iterator[Batch]:
        """Give the batches in their order, a few of them in memory at a time."""
        first, last = self.connection.execute(
            f"select min(_batch), max(_batch) from {self.table}"
        ).fetchall()[0]
        if first is None:
            return
        model = self.model(key)
        step = max(1, ITEMS_AT_ONCE * (last - first + 1) // max(1, self.counts().items))
        for start in range(first, last + 1, step):
            yield from self._window(model, start, start + step)

    def spans(self) -> list[Span]:
        """Return each batch as a span."""
        found = self.connection.execute(
            f"select _batch, _method, min(_position), max(_position) from {self.table} "
            "group by _batch, _method order by _batch"
        ).fetchall()
        return [Span(number=row[0], method=row[1], first=row[2], last=row[3]) for row in found]

    def rows(self, expressions: list[str], span: Span) -> Iterator[list[tuple[Any, ...]]]:
        """Give expressions over a span's columns, a few thousand rows at a time."""
        cursor = self.connection.raw.cursor()
        cursor.execute(self.query(expressions, span))
        while rows := cursor.fetchmany(ITEMS_AT_ONCE):
            yield rows

    def plan_id(self) -> str:
        """Return the plan's name; names sort by time."""
        return str(self.connection.scalar(f"select max(_plan) from {self.table}"))

    def key_at(self, position: int) -> str:
        """Return the key of the item at a position."""
        query = f"select _key from {self.table} where _position = ?"
        return str(self.connection.scalar(query, [position]))

    def query(self, expressions: list[str], span: Span) -> str:
        """Return the select of expressions over a span's columns."""
        return (
            f"select {', '.join(expressions)} from {self.table} "
            f"where _batch = {span.number} and _position between {span.first} and {span.last}"
        )

    def first_items(self, key: tuple[str, ...], limit: int) -> list[Item]:
        """Return the first few items."""
        batches = self.batches(key)
        return list(islice((item for batch in batches for item in batch.items), max(0, limit)))

    def _window(self, model: sql.Model, start: int, end: int) -> Iterator[Batch]:
        rows = self.connection.execute(
            "select _batch, _plan, _key, _method, _hash, "
            f"case when _method = 'delete' then '{{}}' else {model.json()} end "
            f"from {self.table} where _batch >= ? and _batch < ? order by _position",
            [start, end],
        ).fetchall()
        for number, group in groupby(rows, key=lambda row: row[0]):
            yield _batch(self.output, number, list(group))


def _batch(output: str, number: int, rows: list[tuple[Any, ...]]) -> Batch:
    plan = rows[0][1]
    parts = [
        output,
        plan,
        str(number),
        *(f"{key} {method} {hash_}" for _, _, key, method, hash_, _ in rows),
    ]
    items = tuple(Item(key=row[2], method=row[3], data=row[5]) for row in rows)
    digest = sha256("\n".join(parts).encode()).hexdigest()
    return Batch(number=number, idempotency_key=digest, items=items)
