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
    count: int
    """How many items the whole batch holds."""
    first: int
    last: int
    """Positions, both included; other batches may have some of those between."""


class Outbox:
    """The table `deliveries.<output>__outbox`."""

    def __init__(self, connection: Connection, output: str) -> None:
        self.connection = connection
        self.output = output
        self.table = sql.relation(f"{SCHEMA}.{output}__outbox")
        self.source: sql.Model | None = None
        """The model; the rows of a plan of keys alone are there."""

    def counts(self) -> Counts:
        """Count what is in the outbox."""
        upserts, deletes = self.connection.execute(sql.COUNTS.format(outbox=self.table)).fetchall()[
            0
        ]
        return Counts(upserts=int(upserts), deletes=int(deletes))

    def model(self, key: tuple[str, ...]) -> sql.Model:
        """Describe the outbox itself, whose columns are those of the model when it was planned."""
        return sql.describe(self.connection, f"{SCHEMA}.{self.output}__outbox", key)

    def batches(self, key: tuple[str, ...]) -> Iterator[Batch]:
        """Give the batches, deletions first, a few of them in memory at a time."""
        model = self.model(key)
        for _, group in groupby(self.spans(), key=lambda span: span.method):
            spans = list(group)
            for start in range(0, len(spans), step := _at_once(spans)):
                yield from self._window(model, spans[start : start + step])

    def spans(self) -> list[Span]:
        """Return each batch as a span, deletions first: they make room for what comes."""
        found = self.connection.execute(
            "select _batch, _method, count(*), min(_position), max(_position) "
            f"from {self.table} group by _batch, _method order by _method, _batch"
        ).fetchall()
        return [
            Span(number=number, method=method, count=count, first=first, last=last)
            for number, method, count, first, last in found
        ]

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
        """Return the select of expressions over the columns of a span's rows."""
        where = (
            f"from {self.table} where _batch = {span.number} and _method = '{span.method}' "
            f"and _position between {span.first} and {span.last}"
        )
        chosen = ", ".join(expressions)
        if self.source is None or span.method == "delete":
            return f"select {chosen} {where}"
        keys = sql.names(self.source.key)
        rows = sql.relation(self.source.name)
        return f"select {chosen} from {rows} where ({keys}) in (select {keys} {where})"

    def first_items(self, key: tuple[str, ...], limit: int) -> list[Item]:
        """Return the first few items."""
        batches = self.batches(key)
        return list(islice((item for batch in batches for item in batch.items), max(0, limit)))

    def _window(self, model: sql.Model, spans: list[Span]) -> Iterator[Batch]:
        data = "'{}'" if spans[0].method == "delete" else model.json()
        rows = self.connection.execute(
            f"select _batch, _plan, _key, _method, _hash, {data} from {self.table} "
            "where _batch between ? and ? and _method = ? order by _position",
            [spans[0].number, spans[-1].number, spans[0].method],
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


def _at_once(spans: list[Span]) -> int:
    """Return how many batches to hold in memory."""
    return max(1, ITEMS_AT_ONCE // max((span.count for span in spans), default=1))
