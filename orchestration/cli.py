"""The command line: `tidemill …`. Imports late, so that it answers at once."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
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
    Scale,
    Target,
)
from orchestration.cli_outputs import outputs
from orchestration.cli_quarantine import quarantine
from orchestration.cli_watch import watch
from orchestration.service.commands import serve, token

if TYPE_CHECKING:
    from orchestration.commands import How

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
    Flags.debug, Flags.verbose = debug, verbose or debug


@app.command()
def demo(
    target: Target = None,
    same_day: Annotated[bool, typer.Option("--same-day", help="Run without a new day.")] = False,
    scale: Scale = 1.0,
    port: Annotated[int, typer.Option("--port", help="The shop's API port; 0: a free one.")] = 0,
    json: Json = False,
) -> int:
    """Open the demo shop, let a day pass there, run the daily job, show what came of it."""
    from orchestration import commands

    how = commands.How(target=target, as_json=json, verbose=Flags.verbose, trigger="demo")
    return commands.demo(how, same_day=same_day, scale=scale, port=port)


@app.command()
def shop(scale: Scale = 1.0) -> int:
    """Keep the demo shop open on its fixed ports, 8765 and 6390, until Ctrl-C."""
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

    how = _how(target, attempts, retry_wait, as_json=json)
    return commands.run_job(job, replace(how, force=force, batch_size=batch_size))


def _how(target: str | None, attempts: int | None, wait: float, *, as_json: bool) -> How:
    from orchestration import commands, plan

    retry = plan.Retry(attempts=attempts, wait=wait) if attempts else None
    return commands.How(target=target, as_json=as_json, verbose=Flags.verbose, retry=retry)


@app.command()
def resume(
    run: Annotated[str | None, typer.Argument(help="A run's id, or the end of one.")] = None,
    target: Target = None,
    attempts: Attempts = None,
    retry_wait: RetryWait = 60.0,
    json: Json = False,
) -> int:
    """Do what is missing of a run that ended early: the newest one, or RUN."""
    from orchestration import commands

    return commands.resume(run, _how(target, attempts, retry_wait, as_json=json))


@app.command("retry-failed")
def retry_failed(target: Target = None, json: Json = False) -> int:
    """Resume the newest run of every job, where it failed or was cut short."""
    from orchestration import commands

    return commands.retry_failed(commands.How(target=target, as_json=json, verbose=Flags.verbose))


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
    """Start jobs when they are due, until SIGTERM or Ctrl-C; the second one ends all at once."""
    from orchestration import commands, keeping

    how = commands.How(target=target, verbose=Flags.verbose, trigger="schedule")
    return keeping.keep_schedule(how, metrics_port=metrics_port, only=job or [])


@app.command()
def transform(
    select: Annotated[str, typer.Option("--select", help="As in `dbt build --select`.")] = "",
    target: Target = None,
    json: Json = False,
) -> int:
    """Build and test the models; readers see nothing of it until `publish`."""
    return _single("transform", "", select, {}, target, json)


@app.command()
def publish(target: Target = None, json: Json = False) -> int:
    """Let readers see the marts as they are now."""
    return _single("publish", "", "", {}, target, json)


def _single(
    kind: str, what: str, argument: str, known: Any, target: str | None, as_json: bool
) -> int:
    from orchestration import commands
    from orchestration.errors import unknown

    if what and argument not in known:
        raise unknown(what, argument, known)
    name = f"{kind} {argument}".strip()
    how = commands.How(target=target, as_json=as_json, verbose=Flags.verbose)
    return commands.run_job(name, how)


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
