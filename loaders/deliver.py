"""The only write-back loop: what should be there, less what is there, is sent and recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING

from loaders import OUTPUTS
from loaders.delivery_sql import Model, describe, relation
from loaders.errors import DeletionsHeld, LoaderError
from loaders.outbox import Counts, Outbox
from loaders.senders.files import Export, FileOutput
from loaders.senders.places import place

if TYPE_CHECKING:
    from collections.abc import Callable

    from loaders.connection import Connection
    from loaders.senders.facts import Answer, KeyedOutput
    from loaders.warehouse import Target


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
    to_send: int | None = None
    """Dry run: how many items would go out (None: it was no dry run)."""
    deletes: int = 0
    """How many of the items were deletions."""


def deliver(
    name: str,
    *,
    target: Target,
    run_id: str,
    on_progress: Callable[[int, int], object] | None = None,
    allow_deletes: bool = False,
) -> DeliveryResult:
    """Bring an output's far side to the state that its model describes.

    Args:
        name: a key of `loaders.OUTPUTS`.
        target: the warehouse that holds the model and the delivery record.
        run_id: kept beside each answer.
        on_progress: called with items done and items in all.
        allow_deletes: let it delete more than the output's `max_delete_share`.

    Raises:
        LoaderError: no such output or model.
        DeletionsHeld: it would delete more than it may; nothing was sent.
        DeliveryFailed: some items have no answer; the rest is delivered and recorded.
    """
    started = perf_counter()
    output = output_named(name)
    progress = on_progress or _silent
    with target.exclusive(), target.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        if isinstance(output, FileOutput):
            model = model_of(connection, name, output.model, output.layout.columns)
            export = Export(
                output=output,
                model=model,
                connection=connection,
                target=target,
                run_id=run_id,
                on_progress=progress,
            )
            result = _deliver_files(name, export)
        else:
            outbox = Outbox(connection, name, run_id)
            delivery = Delivery(name=name, output=output, outbox=outbox, on_progress=progress)
            result = delivery.run(allow_deletes=allow_deletes)
    return replace(result, seconds=perf_counter() - started)


def output_named(name: str) -> KeyedOutput | FileOutput:
    """Return what an output's script says of it.

    Raises:
        LoaderError: no such output.
        SettingMissing: it lacks a setting.
    """
    if name not in OUTPUTS:
        raise LoaderError(
            f"No output named '{name}'. Known outputs: {', '.join(sorted(OUTPUTS))}. Check the "
            f"spelling, or add loaders/outputs/{name}.py and a line to OUTPUTS."
        )
    found: KeyedOutput | FileOutput = getattr(import_module(OUTPUTS[name]), name)()
    return found


class Delivery:
    """One output's way from difference to record."""

    def __init__(
        self,
        *,
        name: str,
        output: KeyedOutput,
        outbox: Outbox,
        on_progress: Callable[[int, int], object],
    ) -> None:
        self.name = name
        self.output = output
        self.outbox = outbox
        self.on_progress = on_progress
        self.successful = self.failed = self.total = 0

    def run(self, *, allow_deletes: bool) -> DeliveryResult:
        """Send what an earlier delivery left, then what is new."""
        self.outbox.prepare()
        self.outbox.settle()
        left = self.outbox.counts()
        self._send(left)
        model = model_of(self.outbox.connection, self.name, self.output.model, self.output.key)
        counts = self.outbox.plan(model, self.output.sender.batch_size)
        self._check_deletes(counts, allow_deletes=allow_deletes)
        self._send(counts)
        return DeliveryResult(
            output=self.name,
            model=self.output.model,
            destination=self.output.sender.destination,
            successful=self.successful,
            failed=self.failed,
            skipped=self._count_desired() - counts.upserts,
            deletes=left.deletes + counts.deletes,
        )

    def _send(self, counts: Counts) -> None:
        self.total += counts.items
        self.on_progress(self.successful + self.failed, self.total)
        if not counts.items:
            return
        try:
            for answers in self.output.sender.send(self.outbox):
                self.outbox.record(answers)
                self._count(answers)
        finally:
            self.outbox.settle()

    def _count(self, answers: list[Answer]) -> None:
        for answer in answers:
            self.successful += answer.count_delivered
            self.failed += len(answer.exceptions)
        self.on_progress(self.successful + self.failed, self.total)

    def _check_deletes(self, counts: Counts, *, allow_deletes: bool) -> None:
        """Hold a plan back that would delete more than it may; it has not been sent."""
        delivered = self.outbox.count_delivered()
        most = self.output.max_delete_share
        if allow_deletes or counts.deletes <= most * delivered:
            return
        self.outbox.clear()
        raise DeletionsHeld(
            f"Delivery '{self.name}' would delete {counts.deletes} of {delivered} items at "
            f"{self.output.sender.destination}, more than the {most:.0%} it may. Nothing was "
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


def _deliver_files(name: str, export: Export) -> DeliveryResult:
    done = export.run()
    there = place(export.output.url)
    return DeliveryResult(
        output=name,
        model=export.output.model,
        destination=there.shown,
        successful=sum(file.rows for file in done.written),
        failed=0,
        skipped=sum(file.rows for file in done.kept),
        files=tuple(there.name(file.path) for file in done.written),
    )


def _silent(_done: int, _total: int) -> None:
    pass
