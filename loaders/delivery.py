"""One output's way from the difference to the record."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from loaders.delivery_sql import Model, describe, relation
from loaders.errors import DeletionsHeld, DeliveryFailed, LoaderError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loaders.connection import Connection
    from loaders.delivery_record import DeliveryRecord
    from loaders.outbox import Counts
    from loaders.senders.facts import Answer, Item, KeyedOutput


@dataclass(frozen=True, kw_only=True)
class DeliveryResult:
    """What one delivery did."""

    output: str
    model: str
    destination: str
    successful: int
    """Items (or rows of files) that the far side took."""
    failed: int
    """Items that it refused, or did not answer for."""
    skipped: int
    """Desired items (or rows) that needed no sending."""
    files: tuple[str, ...] = ()
    """Files that were written."""
    seconds: float = 0.0
    deletes: int = 0
    """How many of the items were deletions."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a delivery would do."""

    output: str
    destination: str
    upserts: int
    """Items (or rows of files) that would go out."""
    deletes: int = 0
    left: int = 0
    """Items that an earlier delivery left without an answer; they go first."""
    items: tuple[Item, ...] = ()
    """The first of what would go out."""
    files: tuple[str, ...] = ()
    """The first of the files that would be written."""


class Delivery:
    """One output's way from difference to record."""

    def __init__(
        self,
        *,
        name: str,
        output: KeyedOutput,
        record: DeliveryRecord,
        on_progress: Callable[[int, int], object],
    ) -> None:
        self.name = name
        self.output = output
        self.record = record
        self.outbox = record.outbox
        self.on_progress = on_progress
        self.successful = self.failed = self.skipped = self.deletes = self.total = 0

    def run(
        self, *, allow_deletes: bool = False, replay: bool = False, keys: Sequence[str] = ()
    ) -> DeliveryResult:
        """Send what an earlier delivery left, then what is new.

        Args:
            allow_deletes: let it delete more than the output's `max_delete_share`.
            replay: send again what was refused, though it has not changed.
            keys: replay the refused items of these keys only.

        Raises:
            DeliveryFailed: some items have no answer; its `result` says what was done.
            LoaderError: a key is that of no refused item.
        """
        self.record.prepare()
        self.record.settle()
        if replay or keys:
            self.record.forgive(keys)
        if not self.output.sender.keeps_rows:
            self.record.assume("unknown")
        try:
            self._send(self.outbox.counts())
            counts = self._plan(partial(self._check_deletes, allow_deletes=allow_deletes))
            self.skipped = self._count_desired() - counts.upserts
            self._send(counts)
        except DeliveryFailed as error:
            self.failed = self.total - self.successful
            error.result = self._result()
            if self.successful:
                error.args = (f"{error} {self.successful:,} of {self.total:,} items were taken.",)
            raise
        return self._result()

    def preview(self, limit: int) -> Preview:
        """Rehearse it: plan as if all that is left had been taken, and take everything back."""
        with self.record.transaction(keep=False):
            self.record.prepare()
            self.record.settle()
            left = self.outbox.counts()
            first = self.outbox.first_items(self.output.key, limit)
            self.record.assume("delivered")
            counts = self._plan(_approve)
            first += self.outbox.first_items(self.output.key, limit - len(first))
        return Preview(
            output=self.name,
            destination=self.output.sender.destination,
            upserts=counts.upserts,
            deletes=counts.deletes,
            left=left.items,
            items=tuple(first),
        )

    def _plan(self, approve: Callable[[Counts], object]) -> Counts:
        model = model_of(self.outbox.connection, self.name, self.output.model, self.output.key)
        sender = self.output.sender
        keeps_rows = sender.keeps_rows or model.is_view
        self.outbox.source = None if keeps_rows else model
        return self.record.plan(model, sender.batch_size, approve, keeps_rows=keeps_rows)

    def _result(self) -> DeliveryResult:
        return DeliveryResult(
            output=self.name,
            model=self.output.model,
            destination=self.output.sender.destination,
            successful=self.successful,
            failed=self.failed,
            skipped=self.skipped,
            deletes=self.deletes,
        )

    def _send(self, counts: Counts) -> None:
        self.total += counts.items
        self.deletes += counts.deletes
        self.on_progress(self.successful + self.failed, self.total)
        if not counts.items:
            return
        try:
            for answers in self.output.sender.send(self.outbox):
                self.record.record(answers)
                self._count(answers)
        finally:
            self.record.settle()

    def _count(self, answers: list[Answer]) -> None:
        for answer in answers:
            self.successful += answer.count_delivered
            self.failed += len(answer.exceptions)
        self.on_progress(self.successful + self.failed, self.total)

    def _check_deletes(self, counts: Counts, *, allow_deletes: bool) -> None:
        delivered = self.record.count_delivered()
        most = self.output.max_delete_share
        if allow_deletes or counts.deletes <= most * delivered:
            return
        raise DeletionsHeld(
            f"Delivery '{self.name}' would delete {counts.deletes} of {delivered} items at "
            f"{self.output.sender.destination}, more than the {most:.0%} it may. Nothing new was "
            f"sent. Check '{self.output.model}'; if that is right, deliver with --allow-deletes."
        )

    def _count_desired(self) -> int:
        return int(
            self.outbox.connection.scalar(f"select count(*) from {relation(self.output.model)}")
        )


def model_of(connection: Connection, output: str, name: str, key: tuple[str, ...]) -> Model:
    """Describe an output's model.

    Raises:
        LoaderError: the warehouse has no such table, or it lacks a key column.
    """
    model = describe(connection, name, key)
    if not model.types:
        raise LoaderError(
            f"Cannot deliver '{output}': the warehouse has no model '{name}'. Build it first: "
            "tidemill transform."
        )
    if missing := [column for column in key if column not in model.types]:
        raise LoaderError(
            f"Cannot deliver '{output}': its model '{name}' has no column "
            f"'{', '.join(missing)}'. Its columns: {', '.join(model.types)}."
        )
    return model


def _approve(_counts: Counts) -> None:
    pass
