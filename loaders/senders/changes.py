"""Sends an outbox as files of changes: what came or changed, and what went, one file a batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from loaders.delivery_sql import quoted
from loaders.senders.copying import Layout, copy
from loaders.senders.facts import Answer
from loaders.senders.files import described, read_manifest, write_manifest
from loaders.senders.places import place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loaders.outbox import Outbox, Span


@dataclass(frozen=True, kw_only=True)
class ChangesSender:
    """Files named for their plan and batch, so that they sort by time and come again the same."""

    url: str = field(repr=False)
    """A folder, or any URL that fsspec knows."""
    name: str
    """The files' name, without its ending."""
    key: tuple[str, ...]
    """The model's key columns."""
    layout: Layout
    batch_size: int = 1_000_000
    """Rows in a file."""

    @property
    def destination(self) -> str:
        """Return the address, without what may be secret in it."""
        return place(self.url).name(self.name)

    @property
    def keeps_rows(self) -> bool:
        """A repeated file has to be the same."""
        return True

    def send(self, outbox: Outbox) -> Iterator[list[Answer]]:
        """Write a file for each batch: column `_change` (upsert, delete), then the model's."""
        for span in outbox.spans():
            self._write(outbox, span)
            yield [Answer(number=span.number, count_items=span.count)]

    def _write(self, outbox: Outbox, span: Span) -> None:
        there = place(self.url)
        plan = outbox.plan_id()
        name = f"{self.name}/{plan}-{span.number:06d}{self.layout.suffix}"
        types = {"_change": "text", **outbox.model(self.key).types}
        expressions = ["_method as _change", *map(quoted, list(types)[1:])]
        query = f"{outbox.query(expressions, span)} order by _position"
        with TemporaryDirectory() as scratch:
            path = there.aside(name, Path(scratch))
            copy(outbox.connection, query, types, self.layout, path)
            file = described(path, name, span.count)
            there.put(path, name)
            others = [one for one in read_manifest(there, self.name) if one.path != name]
            write_manifest(there, self.name, [*others, file], self.layout.facts, Path(scratch))
