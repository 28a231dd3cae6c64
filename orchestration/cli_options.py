"""The options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from orchestration.commands import How

Target = Annotated[
    str | None, typer.Option("--target", help="An output of profiles/profiles.yml.", metavar="NAME")
]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="At most so many runs.")]
Scale = Annotated[float, typer.Option("--scale", min=0.01, help="1 is 2,000 users.")]
Attempts = Annotated[
    int | None, typer.Option("--attempts", min=1, help="Tries of each step, in place of the job's.")
]
RetryWait = Annotated[
    float, typer.Option("--retry-wait", min=0, help="Seconds before the second try; then doubled.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Start though a job that it needs has not completed.")
]
JobName = Annotated[str, typer.Argument(help="A job of orchestration/jobs.py.")]
RunId = Annotated[str | None, typer.Argument(help="A run's id, or a part of it.")]


def how(target: str | None, *, as_json: bool, **more: Any) -> How:
    """Return how a command is to go about it; imported late, for a quick start."""
    from orchestration import commands

    return commands.How(target=target, as_json=as_json, verbose=Flags.verbose, **more)


class Flags:
    """What may stand anywhere on the command line."""

    verbose = False


BatchSize = Annotated[
    int | None,
    typer.Option("--batch-size", min=1, help="Rows read at once; never changes the result."),
]
