"""Load one source into the warehouse: the only place that calls dlt.pipeline()."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import dlt

from loaders import package
from loaders.accounting import TableCount, tallied, tally
from loaders.brought import brought
from loaders.children import feed_children, without
from loaders.commit import committing
from loaders.cursor import guard
from loaders.drift import rules
from loaders.duckdb_merge import duckdb_at
from loaders.errors import TableStopped
from loaders.explain import explain
from loaders.gate import Gate
from loaders.in_step import check_tables, is_ahead
from loaders.plain import Count
from loaders.postgres_destination import postgres_at
from loaders.profile import var
from loaders.quarantine import HINTS, TABLE
from loaders.raw_client import destination_client
from loaders.raw_tables import file_format, make_tables, shapes
from loaders.registry import describe_source, find_source
from loaders.resolved import keep_schemas
from loaders.retype import retype
from loaders.side_table import add_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dlt import Pipeline
    from dlt.extract import DltSource

    from loaders.shape import Shape
    from loaders.warehouse import Target


@dataclass(frozen=True, kw_only=True)
class LoadResult:
    """What one call of load() brought into the warehouse."""

    source: str
    load_ids: tuple[str, ...]
    """dlt's ids of the committed load packages, oldest first."""
    tables: tuple[TableCount, ...]
    notices: tuple[str, ...]
    """What a person should know: new columns, a load that was found unfinished."""
    seconds: float


def load(
    name: str | DltSource,
    *,
    target: Target,
    on_progress: Callable[[str, int], None] | None = None,
    is_recorded: Callable[[str], bool] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> LoadResult:
    """Load what is new in a source, commit it, and account for every row.

    A load that was killed before is finished first. Messages are acknowledged after the commit.

    Args:
        name: one of SOURCES, or a dlt source of your own.
        target: the warehouse.
        on_progress: called with a table's name and the rows read of it so far.
        is_recorded: tells whether the counts of a load id stand in the caller's record; those of
            an earlier load that do not (it died in between) are given again.
        settings: settings of the source in place of its own, such as `batch_size`.

    Raises:
        TableStopped: a table's shape is not what it may be; `.result` is that of the others.
        LoaderError: what failed, in one sentence; `.retryable` tells whether to try again.
    """
    started = time.monotonic()
    source_name = name if isinstance(name, str) else name.name
    recorded = is_recorded or (lambda _: True)
    again = partial(load, target=target, on_progress=on_progress, is_recorded=is_recorded)
    try:
        source = _fresh(name, settings)
        judged = shapes(source)
        with (
            target.exclusive(),
            target.held_open(),
            tallied(target, on_progress) as found,
            committing() as commit,
        ):
            pipeline = _pipeline(source, target)
            package.forget(pipeline, recorded)
            left = package.committed(pipeline)
            notices = _finish_pending(pipeline, source)
            notices += _run(pipeline, source, target, judged)
            tables, news = brought(pipeline, target, judged, found, left=left)
            commit()
    except Exception as error:
        told = explain(error, source_name)
        if isinstance(told, TableStopped):
            told = _past(told, _fresh(name, settings), again)
        raise told from error
    result = LoadResult(
        source=source_name,
        load_ids=tuple(package.committed(pipeline)),
        tables=tuple(tables),
        notices=(*notices, *found.notices, *news),
        seconds=time.monotonic() - started,
    )
    if not commit.is_more:
        return result
    known = partial(again, is_recorded=lambda one: one in result.load_ids or recorded(one))
    return _joined(result, known(name, settings=settings))


def _fresh(name: str | DltSource, settings: Mapping[str, Any] | None) -> DltSource:
    return find_source(name, settings) if isinstance(name, str) else name.clone()


def _past(stopped: TableStopped, source: DltSource, load: Callable[..., Any]) -> TableStopped:
    """Load the other tables of a source, and return what stopped one of them with their result."""
    rest = without(source, stopped.table)
    if rest is None:
        return stopped
    try:
        stopped.result = load(rest)
    except TableStopped as another:
        stopped.result, told = another.result, f"{stopped} {another}"
        stopped.args = (told,)
    return stopped


def declare(name: str, *, target: Target) -> None:
    """Make a source's tables where they are missing, reading nothing, so that models find them.

    Raises:
        LoaderError: what failed, in one sentence.
    """
    try:
        source = describe_source(name)
        with target.exclusive():
            pipeline = _pipeline(source, target)
            _finish_pending(pipeline, source)
            make_tables(pipeline, source, shapes(source))
    except Exception as error:
        raise explain(error, name) from error


def settle(source: DltSource, target: Target) -> list[str]:
    """Finish what a killed load left, and give raw tables the types that are declared now.

    Returns:
        What to tell of it.
    """
    try:
        pipeline, judged = _pipeline(source, target), shapes(source)
        finished = _finish_pending(pipeline, source)
        changed = retype(pipeline, judged, target)
        if changed:
            make_tables(pipeline, source, judged, anew=True)
    except Exception as error:
        raise explain(error, source.name) from error
    return finished + changed


def _joined(first: LoadResult, rest: LoadResult) -> LoadResult:
    return LoadResult(
        source=first.source,
        load_ids=first.load_ids + rest.load_ids,
        tables=first.tables + rest.tables,
        notices=first.notices + rest.notices,
        seconds=first.seconds + rest.seconds,
    )


def _pipeline(source: DltSource, target: Target) -> Pipeline:
    destination = duckdb_at(target.path) if target.path else postgres_at(target.dsn or "")
    return keep_schemas(
        dlt.pipeline(
            source.name,
            pipelines_dir=str(var() / "dlt" / target.name),
            destination=destination,
            dataset_name=f"raw_{source.name}",
        )
    )


def _finish_pending(pipeline: Pipeline, source: DltSource) -> list[str]:
    """Finish what a killed load left: extracted rows are loaded before new ones are read."""
    package.discard_spent(pipeline)
    package.mark_again(pipeline)
    pipeline.sync_destination()
    notices = []
    with destination_client(pipeline) as client:
        check_tables(client, pipeline, source)
        has_gone_back = is_ahead(client, pipeline)
    if has_gone_back:
        keep_schemas(pipeline.drop()).sync_destination()
        notices.append(
            f"{source.name}: the warehouse is older than what was remembered here (was a backup "
            "restored?): what it lacks is read again, as far as the source still has it."
        )
    pipeline._state_restored = True  # noqa: SLF001 - run() would do the same once more
    if pipeline.has_pending_data:
        package.rewind(pipeline)
        pipeline.run()
        notices.append(f"{source.name}: an earlier load was found unfinished and was completed.")
    return notices


def _run(
    pipeline: Pipeline, source: DltSource, target: Target, judged: Mapping[str, Shape]
) -> list[str]:
    # dlt goes a call deeper for each table in a row that has nothing more
    deep = 1_000 + 3 * len(source.selected_resources)
    sys.setrecursionlimit(max(sys.getrecursionlimit(), deep))
    resources = {name: source.resources[name] for name in judged}
    notices = retype(pipeline, judged, target)
    make_tables(pipeline, source, judged, anew=bool(notices))
    stored = pipeline.schemas.get(pipeline.pipeline_name)
    known = {n: t["columns"] for n, t in stored.tables.items()} if stored else {}
    takes_nul = target.kind == "duckdb"
    tally().rules.update(rules(source, known, judged, takes_nul=takes_nul))
    for name, resource in resources.items():
        found = replace(judged[name], rule=tally().rule(name))
        add_table(resource, TABLE, HINTS)  # gate one, and behind the cursor what is there already
        resource.add_step(Gate(found))
        guard(resource, found)
    for name, resource in source.selected_resources.items():
        if name not in judged:
            resource.add_step(Count(resource))
    feed_children(source.selected_resources, judged)
    pipeline.run(source, **file_format(pipeline, "parquet")).raise_on_failed_jobs()
    return notices
