"""The command line: `tidemill …`. Imports late, so that it answers at once."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.cli_load import loading
from orchestration.cli_options import (
    Attempts,
    BatchSize,
    Flags,
    Force,
    JobName,
    Json,
    RetryWait,
    RunId,
    Scale,
    Target,
    how,
)
from orchestration.cli_outputs import outputs
from orchestration.cli_quarantine import quarantine
from orchestration.cli_watch import watch
from orchestration.service.commands import serve, token

if TYPE_CHECKING:
    from orchestration.plan import Retry

app = typer.Typer(
    name="tidemill",
    help="Load, build, publish, deliver: batch analytics with dlt and dbt, and a thin runner.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    result_callback=lambda code, **_: sys.exit(code),
)


@app.callback()
def flags(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the log.")] = False,
) -> None:
    """Load, build, publish, deliver: batch analytics with dlt and dbt, and a thin runner."""
    Flags.verbose = verbose or debug


@app.command()
def demo(
    target: Target = None,
    same_day: Annotated[bool, typer.Option("--same-day", help="Run without a new day.")] = False,
    scale: Scale = 1.0,
    port: Annotated[int, typer.Option("--port", help="The shop's API port; 0: a free one.")] = 0,
    json: Json = False,
) -> int:
    """Run a day of the demo shop.

    Opens the shop, lets a day pass there, runs the job `daily`, and shows what came of it.
    """
    from orchestration import commands

    meant = how(target, as_json=json, trigger="demo")
    return commands.demo(meant, same_day=same_day, scale=scale, port=port)


@app.command()
def shop(scale: Scale = 1.0) -> int:
    """Keep the demo shop open until Ctrl-C.

    On its fixed ports, 8765 and 6390; it prints the settings by which loaders find it.
    """
    from orchestration import keeping

    return keeping.keep_shop(scale)


@app.command()
def run(
    job: JobName,
    target: Target = None,
    attempts: Attempts = None,
    retry_wait: RetryWait = 60.0,
    batch_size: BatchSize = None,
    force: Force = False,
    json: Json = False,
) -> int:
    """Run a job."""
    from orchestration import commands

    retry = _retry(attempts, retry_wait)
    meant = how(target, as_json=json, retry=retry, force=force, batch_size=batch_size)
    return commands.run_job(job, meant)


def _retry(attempts: int | None, wait: float) -> Retry | None:
    from orchestration import plan

    return plan.Retry(attempts=attempts, wait=wait) if attempts else None


@app.command()
def resume(
    run: RunId = None,
    target: Target = None,
    attempts: Attempts = None,
    retry_wait: RetryWait = 60.0,
    json: Json = False,
) -> int:
    """Do what is missing of a run that ended early.

    Of the run that is named, or of the newest one that has not completed.
    """
    from orchestration import commands

    return commands.resume(run, how(target, as_json=json, retry=_retry(attempts, retry_wait)))


@app.command("retry-failed")
def retry_failed(target: Target = None, json: Json = False) -> int:
    """Resume each job's newest run, where it ended early."""
    from orchestration import commands

    return commands.retry_failed(how(target, as_json=json))


@app.command()
def schedule(
    target: Target = None,
    metrics_port: Annotated[
        int, typer.Option("--metrics-port", help="Loopback port of /metrics; 0: none.")
    ] = 9464,
    job: Annotated[
        list[str] | None, typer.Option("--job", help="Only this job; may be given again.")
    ] = None,
) -> int:
    """Start jobs when they are due, until Ctrl-C or SIGTERM.

    The first one lets the steps under way finish; the second one ends all at once.
    """
    from orchestration import keeping

    meant = how(target, as_json=False, trigger="schedule")
    return keeping.keep_schedule(meant, metrics_port=metrics_port, only=job or [])


@app.command()
def transform(
    select: Annotated[str, typer.Option("--select", help="As in `dbt build --select`.")] = "",
    target: Target = None,
    json: Json = False,
) -> int:
    """Build and test the models, for readers to see by `publish`."""
    from orchestration import commands

    return commands.run_job(f"transform {select}".strip(), how(target, as_json=json))


@app.command()
def publish(target: Target = None, json: Json = False) -> int:
    """Let readers see the marts as they are now."""
    from orchestration import commands

    return commands.run_job("publish", how(target, as_json=json))


app.add_typer(watch)
app.add_typer(loading)
app.add_typer(outputs)
app.add_typer(quarantine, name="quarantine")
app.command()(serve)
app.add_typer(token, name="token")


def main(arguments: list[str] | None = None) -> None:
    """Run a command and end the process with its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    early = [word for word in given if word in {"--debug", "-v", "--verbose"}]
    rest = [word for word in given if word not in early]
    try:
        stopped = app([*early, *rest], prog_name="tidemill", standalone_mode=False)
    except Exception as error:
        if hasattr(error, "format_message"):
            raise SystemExit(_usage(error, as_json="--json" in rest)) from None
        if "--debug" in early:
            raise
        raise SystemExit(_tell(error, as_json="--json" in rest)) from None
    raise SystemExit(stopped)


def _usage(error: Any, *, as_json: bool) -> int:
    """Say how a command is meant to be called, and return the exit code."""
    if as_json:
        from orchestration import show

        show.as_json({"error": error.format_message()})
    error.show()
    return int(error.exit_code)


def _tell(error: Exception, *, as_json: bool) -> int:
    """Say in one sentence what went wrong, and return the exit code."""
    from orchestration.errors import AlreadyRunning

    package = type(error).__module__.partition(".")[0]
    sentence, code = str(error), 1
    if isinstance(error, OSError):
        sentence = f"Cannot use '{error.filename or 'a file'}': {error.strerror or error}. {_SAFE}"
    elif package not in {"orchestration", "loaders", "demo"}:
        sentence = f"Unexpected {type(error).__name__}: {error}. `--debug` shows where."
        code = os.EX_SOFTWARE
    elif isinstance(error, AlreadyRunning):
        code = os.EX_TEMPFAIL
    if as_json:
        from orchestration import show

        show.as_json({"error": sentence})
    sys.stderr.write(f"Error: {sentence}\n")
    return code


_SAFE = "Nothing is lost; correct it and run the command again."

if __name__ == "__main__":
    main()
