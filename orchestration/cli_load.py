"""The commands that load: a source, with its batch size and sweep; a table's past."""

from __future__ import annotations

from typing import Annotated

import typer

# Typer reads the options while the program runs.
from orchestration.cli_options import BatchSize, Json, Target, how

loading = typer.Typer()

Source = Annotated[str, typer.Argument(help="A source of loaders/__init__.py.")]


@loading.command()
def load(
    source: Source,
    batch_size: BatchSize = None,
    sweep_deletes: Annotated[
        bool, typer.Option("--sweep-deletes", help="Compare all keys; mark what vanished.")
    ] = False,
    allow_shrink: Annotated[
        bool, typer.Option("--allow-shrink", help="Believe it when most of a table vanished.")
    ] = False,
    target: Target = None,
    json: Json = False,
) -> int:
    """Load one source."""
    from orchestration.load_steps import SHRINK

    _known(source)
    name = f"{'sweep' if sweep_deletes else 'load'} {source}"
    words = [name, *([SHRINK] if allow_shrink and sweep_deletes else [])]
    return _run(words, batch_size, target, json)


_MIDNIGHT = "T00:00:00+00:00"


@loading.command()
def backfill(
    table: Annotated[str, typer.Argument(help="Source and table: shop_db.orders.")],
    since: Annotated[str, typer.Option("--from", help="Begin here, such as 2024-01-01 (UTC).")],
    until: Annotated[str, typer.Option("--to", help="End before this.")],
    chunk: Annotated[
        str, typer.Option("--chunk", help="One window: 6hours, 1day, 2weeks, 1month, 1year.")
    ] = "1month",
    parallel: Annotated[
        int, typer.Option("--parallel", min=1, help="Read each window in so many parts at once.")
    ] = 1,
    redo: Annotated[bool, typer.Option("--redo", help="Load done windows again.")] = False,
    batch_size: BatchSize = None,
    target: Target = None,
    json: Json = False,
) -> int:
    """Load a table's past, window by window.

    Windows that are done are left out, so the command can be given again at any time.
    """
    from loaders.windows import moment, windows

    windows(moment(since), moment(until), chunk)  # says at once what cannot be read
    _known(table.partition(".")[0])
    begin, end = (moment(text).isoformat().removesuffix(_MIDNIGHT) for text in (since, until))
    options = [f"parallel={parallel}"] * (parallel > 1) + ["redo"] * redo
    words = ["backfill", table, begin, end, chunk.replace(" ", ""), *options]
    return _run(words, batch_size, target, json)


def _known(source: str) -> None:
    from loaders import SOURCES
    from orchestration.errors import unknown

    if source not in SOURCES:
        raise unknown("source", source, SOURCES)


def _run(words: list[str], batch_size: int | None, target: str | None, as_json: bool) -> int:
    from orchestration import commands

    meant = how(target, as_json=as_json, batch_size=batch_size)
    return commands.run_job(" ".join(words), meant)
