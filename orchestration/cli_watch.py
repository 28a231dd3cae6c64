"""The commands that look: status, runs, logs, jobs, next, doctor; and cancel, which only asks."""

from __future__ import annotations

from typing import Annotated

import typer

# Typer reads the options while the program runs.
from orchestration.cli_options import Json, Limit, RunId, Target  # noqa: TC001

watch = typer.Typer()


@watch.command()
def status(target: Target = None, limit: Limit = 10, json: Json = False) -> int:
    """Show the newest run, and the last ones in short."""
    from orchestration import answers

    return answers.status(target, limit=limit, as_json=json)


@watch.command()
def runs(
    job: Annotated[str | None, typer.Option("--job", help="Only runs of this job.")] = None,
    target: Target = None,
    limit: Limit = 20,
    json: Json = False,
) -> int:
    """List runs, newest first."""
    from orchestration import answers

    return answers.runs(target, job=job, limit=limit, as_json=json)


@watch.command()
def jobs(json: Json = False) -> int:
    """List the jobs."""
    from orchestration import answers

    return answers.list_jobs(as_json=json)


@watch.command()
def doctor(target: Target = None, json: Json = False) -> int:
    """Check everything a run needs.

    Says what is missing, and where it was looked for.
    """
    from orchestration import doctor as doctor_

    return doctor_.examine(target, as_json=json)


@watch.command("next")
def next_(
    hours: Annotated[float, typer.Option("--hours", min=0.01, help="Look so far ahead.")] = 24.0,
    target: Target = None,
    json: Json = False,
) -> int:
    """List what the scheduler starts when."""
    from orchestration import answers

    return answers.coming(target, hours=hours, as_json=json)


@watch.command()
def logs(run: RunId = None, target: Target = None, json: Json = False) -> int:
    """Show what was logged of a run, by default the newest.

    All lines of the log, and what the steps' libraries printed.
    """
    from orchestration import answers

    return answers.logs(run, target, as_json=json)


@watch.command()
def cancel(
    run: Annotated[str, typer.Argument(help="A run's id, or a part of it.")],
    target: Target = None,
    json: Json = False,
) -> int:
    """Stop a run that is at work, on any machine."""
    from orchestration import answers

    return answers.cancel(run, target, as_json=json)
