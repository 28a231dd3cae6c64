"""The commands for what goes out: a delivery and its rehearsal, what was refused, a file."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

# Typer reads the options while the program runs.
from orchestration.cli_options import Json, Target, how

outputs = typer.Typer()

Output = Annotated[str, typer.Argument(help="An output of loaders/__init__.py.")]
Shown = Annotated[int, typer.Option("--limit", min=0, help="Show at most so many items.")]


@outputs.command()
def deliver(
    output: Output,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would go out; send nothing.")
    ] = False,
    allow_deletes: Annotated[
        bool, typer.Option("--allow-deletes", help="Delete more than the output's share.")
    ] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Send again what was refused as it is.")
    ] = False,
    key: Annotated[
        list[str] | None, typer.Option("--key", help="Of what was refused, send this item again.")
    ] = None,
    limit: Shown = 20,
    target: Target = None,
    json: Json = False,
) -> int:
    """Send one output what it does not have yet."""
    from orchestration import commands, deliveries

    deliveries.known(output)
    if dry_run:
        return deliveries.show_preview(output, target, limit, as_json=json)
    options = ["--allow-deletes"] * allow_deletes + ["--replay"] * replay
    options += [f"--key={quote(each, safe='')}" for each in key or ()]
    return commands.run_job(" ".join(["deliver", output, *options]), how(target, as_json=json))


@outputs.command()
def refused(output: Output, limit: Shown = 100, target: Target = None, json: Json = False) -> int:
    """List what an output's far side refused, and why."""
    from orchestration import deliveries

    deliveries.known(output)
    return deliveries.show_refused(output, target, limit, as_json=json)


@outputs.command()
def convert(
    source: Annotated[str, typer.Argument(help="A file (CSV, JSON, Parquet; .gz, .zst) or URL.")],
    to: Annotated[str, typer.Argument(help="The file to write; its ending says what it will be.")],
    sql: Annotated[
        str, typer.Option("--sql", help="A select over the table `input`.")
    ] = "select * from input",
    rejects: Annotated[
        str | None, typer.Option("--rejects", help="Keep lines that cannot be read in this CSV.")
    ] = None,
    json: Json = False,
) -> int:
    """Turn a file into another, by SQL: any size."""
    from orchestration import deliveries

    return deliveries.convert_file(source, to, sql, rejects, as_json=json)
