"""The commands `tidemill quarantine …`: look at rejected rows, put them through again, let go."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path  # noqa: TC003 - typer reads it at run time
from typing import Annotated

import typer

# Typer reads the options while the program runs.
from orchestration.cli_options import Json, Target  # noqa: TC001

quarantine = typer.Typer(
    help="Rejected rows: list, show, replay, dismiss.", no_args_is_help=True, add_completion=False
)

Source = Annotated[str | None, typer.Option("--source", help="Only rows of this source.")]
Table = Annotated[str | None, typer.Option("--table", help="Only rows of this raw table.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Only reasons with this text.")]
Since = Annotated[
    datetime | None, typer.Option("--since", help="Only rows rejected since then (UTC).")
]
Until = Annotated[
    datetime | None, typer.Option("--until", help="Only rows rejected before then (UTC).")
]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many rows.")]
Ids = Annotated[list[str] | None, typer.Argument(help="Ids, or how they begin.", metavar="[ID]...")]


@quarantine.command("list")
def list_(
    source: Source = None,
    table: Table = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    dismissed: Annotated[bool, typer.Option("--dismissed", help="Those let go.")] = False,
    limit: Limit = 50,
    target: Target = None,
    json: Json = False,
) -> int:
    """List what was rejected and is open, newest first, and what breaks rules, by its reasons."""
    from orchestration import quarantining

    wanted = quarantining.wanted(source, table, reason, since, until, is_dismissed=dismissed)
    return quarantining.list_open(wanted, target, limit=limit, as_json=json)


@quarantine.command()
def show(
    what: Annotated[str, typer.Argument(help="A row's id, or a model of the schema quarantine.")],
    limit: Limit = 50,
    target: Target = None,
    json: Json = False,
) -> int:
    """Write a rejected row as it arrived, or the rows of a quarantine model with their reasons."""
    from orchestration import quarantining

    return quarantining.show_one(what, target, limit=limit, as_json=json)


@quarantine.command()
def replay(
    ids: Ids = None,
    source: Source = None,
    table: Table = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    with_: Annotated[
        Path | None, typer.Option("--with", help="A file with the one row, corrected, as JSON.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="column=value of the one row, corrected.")
    ] = None,
    target: Target = None,
    json: Json = False,
) -> int:
    """Put rejected rows through the gate again; those that pass join their raw table."""
    from orchestration import quarantining

    wanted = quarantining.wanted(source, table, reason, since, until, ids=ids)
    return quarantining.replay_some(
        wanted, target, corrected=with_, values=set_ or [], as_json=json
    )


@quarantine.command()
def dismiss(
    note: Annotated[str, typer.Option("--note", help="Why; kept with the rows.")],
    ids: Ids = None,
    source: Source = None,
    table: Table = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    target: Target = None,
    json: Json = False,
) -> int:
    """Let rejected rows go: they are kept, with a note, and count as open no more."""
    from orchestration import quarantining

    wanted = quarantining.wanted(source, table, reason, since, until, ids=ids)
    return quarantining.dismiss_some(wanted, target, note=note, as_json=json)
