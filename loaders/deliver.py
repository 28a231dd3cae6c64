"""The only write-back loop: what should be there, less what is there, is sent and recorded."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING

from loaders import OUTPUTS
from loaders.delivery import Delivery, DeliveryResult, Preview, model_of
from loaders.delivery_record import DeliveryRecord, Refused
from loaders.errors import LoaderError
from loaders.senders.files import Export, FileOutput
from loaders.senders.places import place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from loaders.connection import Connection
    from loaders.senders.facts import KeyedOutput
    from loaders.warehouse import Target

__all__ = ["DeliveryResult", "deliver", "output_named", "preview", "refused"]

MEMORY = "300MB"
"""What DuckDB may hold while it plans and exports; what needs more goes to disk meanwhile."""


def deliver(
    name: str,
    *,
    target: Target,
    run_id: str,
    on_progress: Callable[[int, int], object] | None = None,
    allow_deletes: bool = False,
    replay: bool = False,
    keys: Sequence[str] = (),
) -> DeliveryResult:
    """Bring an output's far side to the state that its model describes.

    Args:
        name: a key of `loaders.OUTPUTS`.
        target: the warehouse that holds the model and the delivery record.
        run_id: kept beside each answer.
        on_progress: called with items done and items in all.
        allow_deletes: let it delete more than the output's `max_delete_share`.
        replay: send again what was refused, though it has not changed.
        keys: replay the refused items of these keys only.

    Raises:
        LoaderError: no such output or model, or a key of no refused item.
        DeletionsHeld: it would delete more than it may; nothing was sent.
        DeliveryFailed: some items have no answer; the rest is delivered and recorded.
    """
    started = perf_counter()
    output = output_named(name)
    with opened(target) as connection:
        if isinstance(output, FileOutput):
            export = _export(name, output, connection, on_progress or _silent)
            result = _files_result(name, export, run_id)
        else:
            delivery = Delivery(
                name=name,
                output=output,
                record=DeliveryRecord(connection, name, run_id),
                on_progress=on_progress or _silent,
            )
            result = delivery.run(allow_deletes=allow_deletes, replay=replay, keys=keys)
    return replace(result, seconds=perf_counter() - started)


def preview(name: str, *, target: Target, limit: int = 20) -> Preview:
    """Say what a delivery would send, and send nothing.

    Args:
        name: a key of `loaders.OUTPUTS`.
        target: the warehouse that holds the model and the delivery record.
        limit: how many items to show.
    """
    output = output_named(name)
    with opened(target) as connection:
        if isinstance(output, FileOutput):
            files = _export(name, output, connection, _silent).outdated()
            return Preview(
                output=name,
                destination=place(output.url).shown,
                upserts=sum(part.rows for part in files.values()),
                files=tuple(files)[:limit],
            )
        record = DeliveryRecord(connection, name, run_id="")
        delivery = Delivery(name=name, output=output, record=record, on_progress=_silent)
        return delivery.preview(limit)


def refused(name: str, *, target: Target) -> list[Refused]:
    """Return the items that an output's far side refused, oldest first."""
    if name not in OUTPUTS:
        raise _unknown(name)
    with opened(target) as connection:
        record = DeliveryRecord(connection, name, run_id="")
        record.prepare()
        record.settle()
        return record.refused()


def output_named(name: str) -> KeyedOutput | FileOutput:
    """Return what an output's script says of it.

    Raises:
        LoaderError: no such output.
        SettingMissing: it lacks a setting.
    """
    if name not in OUTPUTS:
        raise _unknown(name)
    found: KeyedOutput | FileOutput = getattr(import_module(OUTPUTS[name]), name)()
    return found


@contextmanager
def opened(target: Target) -> Iterator[Connection]:
    """Open the warehouse for a delivery: no one else writes, times are UTC, memory is bounded."""
    with target.exclusive(), target.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        if connection.kind == "duckdb":
            connection.execute(f"set memory_limit = '{MEMORY}'")
        yield connection


def _export(
    name: str,
    output: FileOutput,
    connection: Connection,
    on_progress: Callable[[int, int], object],
) -> Export:
    return Export(
        output=output,
        model=model_of(connection, name, output.model, output.layout.columns),
        connection=connection,
        on_progress=on_progress,
    )


def _files_result(name: str, export: Export, run_id: str) -> DeliveryResult:
    done = export.run(run_id)
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


def _unknown(name: str) -> LoaderError:
    return LoaderError(
        f"No output named '{name}'. Known outputs: {', '.join(sorted(OUTPUTS))}. Check the "
        f"spelling, or add loaders/outputs/{name}.py and a line to OUTPUTS."
    )


def _silent(_done: int, _total: int) -> None:
    pass
