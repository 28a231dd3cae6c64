"""The kinds of step that load: what is new in a source, a sweep for deletions, a backfill."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from orchestration.errors import StepFailed
from orchestration.outcome import Outcome, Table, carry
from orchestration.steps import writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from loaders.backfill import Progress
    from loaders.load import LoadResult
    from orchestration.steps import Request

    Emit = Callable[[dict[str, Any]], None]

SHRINK = "--allow-shrink"
BREATH = 0.2
"""Seconds between two windows, in which another who waits gets the warehouse."""


def settings(request: Request) -> dict[str, Any]:
    """Return what a run sets of its sources."""
    return {"batch_size": request.batch_size} if request.batch_size else {}


def load(request: Request, emit: Emit) -> Outcome:
    """Load what is new in one source."""
    return _load(request.argument, request, emit, settings(request))


def sweep(request: Request, emit: Emit) -> Outcome:
    """Load one source, and compare all its keys with those of the raw tables."""
    source, _, option = request.argument.partition(" ")
    wanted = {"sweep_deletes": True, **({"allow_shrink": True} if option == SHRINK else {})}
    return _load(source, request, emit, {**settings(request), **wanted})


def _load(source: str, request: Request, emit: Emit, wanted: dict[str, Any]) -> Outcome:
    from loaders.errors import TableStopped
    from loaders.load import load as load_source

    with writing(request, emit) as warehouse:
        try:
            result = load_source(
                source,
                target=warehouse,
                on_progress=lambda table, rows: emit({"table": table, "rows": rows}),
                is_recorded=request.recorded.__contains__,
                settings=wanted,
            )
        except TableStopped as error:
            done = outcome([error.result]) if error.result else None
            raise StepFailed(str(error), outcome=done) from error
    return outcome([result])


def replay(request: Request, emit: Emit) -> Outcome:
    """Put the open rejects of every source through gate one, as its columns are declared now."""
    from loaders import SOURCES
    from loaders.rejects import Wanted, counted
    from loaders.replay import replay as replay_source

    with writing(request, emit) as warehouse:
        with warehouse.connect() as connection:
            open_in = {source for source, _ in counted(connection, Wanted())}
        counts = [
            count
            for source in sorted(open_in & SOURCES.keys())
            for count in replay_source(source, target=warehouse)
        ]
    return Outcome(tables=tuple(carry(Table, count) for count in counts))


def backfill(request: Request, emit: Emit) -> Outcome:
    """Load the missing windows of one table; others may load between two windows."""
    from loaders.backfill import backfill as fill
    from loaders.warehouse import target

    windows = fill(
        plan(request),
        target=target(request.target),
        on_progress=lambda progress: emit(told(progress)),
        is_recorded=request.recorded.__contains__,
    )
    results: list[LoadResult] = []
    while True:
        with writing(request, emit):
            result = next(windows, None)
        if result is None:
            return outcome(results)
        results.append(result)
        emit({"brought": _committed(outcome([result]))})
        time.sleep(BREATH)


def _committed(found: Outcome) -> Outcome:
    """Return what load packages brought: the ledger counts each of them once."""
    return replace(found, tables=tuple(table for table in found.tables if table.load_id))


def plan(request: Request) -> Any:
    """Return the backfill that a step's argument asks for: table, from, to, chunk, options."""
    from loaders.backfill import Plan
    from loaders.windows import moment, windows

    name, since, until, chunk, *options = request.argument.split(" ")
    source, _, table = name.partition(".")
    parallel = next((int(o.partition("=")[2]) for o in options if o.startswith("parallel=")), 1)
    return Plan(
        source=source,
        table=table,
        windows=windows(moment(since), moment(until), chunk),
        redo="redo" in options,
        settings={**settings(request), **({"parallel": parallel} if parallel > 1 else {})},
    )


def told(progress: Progress) -> dict[str, Any]:
    """Return a backfill's progress as a step's event: windows, the time left, and rows."""
    left = progress.seconds_left
    words = "" if left is None else f"{timedelta(seconds=round(left))} left, "
    text = f"{progress.done:,} of {progress.total:,}, {words}{progress.rows:,} rows"
    return {"done": progress.done, "total": progress.total, "text": text}


def outcome(results: Iterable[LoadResult]) -> Outcome:
    """Return what the loads of one source brought."""
    found = list(results)
    ids = dict.fromkeys((result.source, load) for result in found for load in result.load_ids)
    notices = dict.fromkeys(notice for result in found for notice in result.notices)
    return Outcome(
        tables=tuple(carry(Table, count) for result in found for count in result.tables),
        loads=tuple(ids),
        detail={"load_ids": [load for _, load in ids], "notices": list(notices)},
    )
