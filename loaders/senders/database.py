"""Sends an outbox to another database: rows to a staging table, then one statement for them all."""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from loaders.errors import DeliveryFailed, DeliveryRefused
from loaders.senders.databases import far_database
from loaders.senders.databases.address import parsed
from loaders.senders.endpoint import Patience
from loaders.senders.facts import Answer, ItemAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loaders.delivery_sql import Model
    from loaders.outbox import Outbox, Span
    from loaders.senders.databases.far import FarDatabase


@dataclass(frozen=True, kw_only=True)
class DatabaseSender:
    """Rows into a table elsewhere, in transactions of bounded size."""

    url: str = field(repr=False)
    """As SQLAlchemy writes it: postgresql://, mysql://, mariadb://, sqlite:///."""
    table: str
    """Where they go, `table` or `schema.table`; it is made when it does not exist."""
    key: tuple[str, ...]
    """The model's key columns, unique in that table."""
    batch_size: int = 50_000
    """Rows in a transaction."""
    delete_size: int = 5_000
    """Deletions in a transaction, which hold locks the longest."""
    patience: Patience = field(default_factory=lambda: Patience(attempts=5))

    @property
    def destination(self) -> str:
        """Return the address and table, without the password."""
        return f"{parsed(self.url).shown} {self.table}"

    @property
    def keeps_rows(self) -> bool:
        """A row is brought to its state, whatever was sent before."""
        return False

    def send(self, outbox: Outbox) -> Iterator[list[Answer]]:
        """Send all batches, one transaction or a few for each."""
        far = far_database(self.url)
        model = outbox.source or outbox.model(self.key)
        delivery = _Delivery(sender=self, far=far, outbox=outbox, model=model)
        with delivery.connected():
            for span in outbox.spans():
                yield [delivery.batch(span)]


@dataclass(frozen=True, kw_only=True)
class _Delivery:
    """One connection and what goes through it."""

    sender: DatabaseSender
    far: FarDatabase
    outbox: Outbox
    model: Model

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Make the table if it is missing, and close the connection at the end."""
        try:
            self._patiently(self._prepare_table)
            yield
        finally:
            self.far.close()

    def batch(self, span: Span) -> Answer:
        """Send one batch; deletions in smaller pieces."""
        size = self.sender.delete_size if span.method == "delete" else self.sender.batch_size
        refused: list[ItemAnswer] = []
        for first in range(span.first, span.last + 1, size):
            refused += self._piece(
                replace(span, first=first, last=min(first + size - 1, span.last))
            )
        return Answer(number=span.number, count_items=span.count, exceptions=tuple(refused))

    def _piece(self, span: Span) -> list[ItemAnswer]:
        """Send rows in one transaction; find those that break a rule there by halving."""
        try:
            self._patiently(lambda: self._transaction(span))
        except self.far.error as error:
            if span.first < span.last:
                middle = (span.first + span.last) // 2
                return self._piece(replace(span, last=middle)) + self._piece(
                    replace(span, first=middle + 1)
                )
            text = " ".join(str(error).split())
            return [ItemAnswer(key=self.outbox.key_at(span.first), outcome="refused", text=text)]
        return []

    def _transaction(self, span: Span) -> None:
        key, types, table = self.sender.key, self.model.types, self.sender.table
        if span.method == "delete":
            types = {column: types[column] for column in key}
        self.far.begin()
        self.far.stage(types, key)
        self.far.load(self.outbox, span, types)
        if span.method == "delete":
            self.far.run(self.far.delete(table, key))
        else:
            for statement in self.far.upsert(table, key, list(types)):
                self.far.run(statement)
        self.far.raw.commit()

    def _prepare_table(self) -> None:
        """Make the table if it is not there; compare its columns if it is."""
        there = self.far.columns(self.sender.table)
        if not there:
            self.far.create(self.sender.table, self.model.types, self.sender.key)
        self.far.raw.commit()
        missing = [column for column in self.model.types if there and column not in there]
        if missing:
            raise DeliveryRefused(
                f"The table '{self.sender.table}' at '{self.far.address.shown}' has no column "
                f"'{', '.join(missing)}'. Add it there, or take it out of the model."
            )

    def _patiently(self, act: Callable[[], object]) -> None:
        """Do it, and do it again on a new connection while the reason may pass.

        Raises:
            DeliveryFailed: it did not pass.
            DeliveryRefused: it is not about rows, and will not pass.
        """
        for attempt in range(1, self.sender.patience.attempts + 1):
            try:
                self._connected_for(act)
            except self.far.error as error:
                transient = self.far.is_transient(error)
                if not transient and self.far.is_about_rows(error):
                    self.far.raw.rollback()
                    raise
                self.far.close()
                if not transient or attempt == self.sender.patience.attempts:
                    raise self._explained(error, transient=transient) from error
                time.sleep(self.sender.patience.pause(attempt, random.random()))  # noqa: S311
            else:
                return

    def _connected_for(self, act: Callable[[], object]) -> None:
        if self.far.raw is None:
            self.far.connect()
        act()

    def _explained(self, error: Exception, *, transient: bool) -> DeliveryFailed:
        reason = " ".join(str(error).split())
        shown = self.far.address.shown
        if transient:
            return DeliveryFailed(
                f"The database '{shown}' does not answer: {reason}. What it took is recorded and "
                "the rest is kept; deliver again once it is back."
            )
        return DeliveryRefused(
            f"The database '{shown}' does not take rows for '{self.sender.table}': {reason}. "
            "Check the output's url, its rights, and that the table has a unique key on "
            f"{', '.join(self.sender.key)}."
        )
