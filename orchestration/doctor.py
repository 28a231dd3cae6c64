"""Checks everything a run needs, and says what is missing and where it was looked for."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from loaders.errors import LoaderError, WarehouseBusy
from orchestration import commands, sandbox, show
from orchestration.clock import Clock
from orchestration.errors import OrchestrationError
from orchestration.ledger import Ledger
from orchestration.ledger_schema import NEWEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orchestration.settings import Settings

OLDEST_PYTHON: Final = (3, 11)
LITTLE_SPACE: Final = 2**30
"""Bytes; less than this is a warning."""
PARSE_SECONDS: Final = 120
APART: Final = 5.0
"""Seconds that this machine's clock and the server's may differ."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found."""

    check: str
    state: str
    """ok, warning, or wrong."""
    found: str


def examine(target: str | None, *, as_json: bool) -> int:
    """Run all checks, show what they found, and return the exit code."""
    findings = list(findings_for(target))
    wrong = [finding for finding in findings if finding.state == "wrong"]
    if as_json:
        show.as_json({"healthy": not wrong, "checks": [asdict(finding) for finding in findings]})
        return 1 if wrong else 0
    for finding in findings:
        show.hanging(f"{finding.state:8} {finding.check:14} ", finding.found)
    warnings = sum(finding.state == "warning" for finding in findings)
    well = f"Nothing is wrong; {warnings} warnings." if warnings else "All is well."
    show.text(f"{len(wrong)} to put right." if wrong else well)
    return 1 if wrong else 0


def findings_for(target: str | None) -> Iterator[Finding]:
    """Yield what each check finds, the simplest first."""
    yield _python()
    yield _packages()
    try:
        current = commands.read_settings(target)
    except (OrchestrationError, LoaderError) as error:
        yield Finding(check="profile", state="wrong", found=str(error))
        return
    yield Finding(
        check="profile", state="ok", found=f"{current.target.name}: {current.target.place}"
    )
    for check, look in CHECKS.items():
        yield _look(check, look, current)
    yield from _settings(sandbox.closed(current.var))


def _look(check: str, look: Callable[[Settings], str], current: Settings) -> Finding:
    try:
        found = look(current)
    except WarehouseBusy as error:
        return Finding(check=check, state="warning", found=str(error))
    except (OrchestrationError, LoaderError, OSError) as error:
        return Finding(check=check, state="wrong", found=str(error))
    state = "warning" if found.startswith("Little") else "ok"
    return Finding(check=check, state=state, found=found)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= OLDEST_PYTHON
    advice = "" if good else ". Tidemill needs 3.11 or newer; make the environment with one."
    return Finding(check="python", state="ok" if good else "wrong", found=version + advice)


def _packages() -> Finding:
    from packaging.requirements import Requirement

    wanted = [Requirement(line) for line in importlib.metadata.requires("tidemill") or ()]
    needed = [entry for entry in wanted if not entry.marker or entry.marker.evaluate({"extra": ""})]
    trouble = [text for entry in needed if (text := _package(entry.name, str(entry.specifier)))]
    if trouble:
        found = f"{'; '.join(trouble)}. Run `make install`."
        return Finding(check="packages", state="wrong", found=found)
    return Finding(check="packages", state="ok", found=f"{len(needed)} as asked for")


def _package(name: str, specifier: str) -> str:
    from packaging.specifiers import SpecifierSet

    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"{name} is not installed"
    fits = SpecifierSet(specifier).contains(version, prereleases=True)
    return "" if fits else f"{name} is {version}, not {specifier}"


def _folders(current: Settings) -> str:
    for folder in (current.var, current.logs, current.reports):
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.write_text("")
        probe.unlink()
    return f"{current.var} can be written to"


def _disk(current: Settings) -> str:
    free = shutil.disk_usage(_existing(current.var)).free
    text = f"{free / 2**30:,.1f} GiB free at {current.var}"
    return text if free > LITTLE_SPACE else f"Little space: {text}. Make room before the next run."


def _existing(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())


def _warehouse(current: Settings) -> str:
    with current.target.exclusive(timeout=1.0), current.target.connect() as connection:
        version = connection.scalar("select version()")
    return f"{version}; nobody writes to it now"


def _ledger(current: Settings) -> str:
    ledger = Ledger.open(current.ledger_url)
    try:
        newest = ledger.runs(1)
    finally:
        ledger.close()
    last = f"last run {newest[0]['id']}, {newest[0]['status']}" if newest else "no run yet"
    return f"version {NEWEST}; {last}"


def _clock(current: Settings) -> str:
    """Compare this machine's clock with the runs it recorded, and with the warehouse's server."""
    now = Clock().now()
    ledger = Ledger.open(current.ledger_url)
    try:
        newest = ledger.runs(1)
    finally:
        ledger.close()
    if newest and newest[0]["started_at"] > now:
        ahead = newest[0]["started_at"] - now
        raise OrchestrationError(
            f"The clock is behind: the run {newest[0]['id']} began {ahead} in the future. Set the "
            "clock; until then the scheduler waits."
        )
    if current.target.kind != "postgres":
        return f"{now:%Y-%m-%d %H:%M:%S} UTC"
    with current.target.connect() as connection:
        apart = abs((connection.scalar("select clock_timestamp()") - Clock().now()).total_seconds())
    text = f"{apart:.1f} s apart from the server's"
    return text if apart < APART else f"Little agreement: {text}. Set one of the clocks."


def _project(current: Settings) -> str:
    if not (current.project / "dbt_project.yml").exists():
        raise OrchestrationError(
            f"No file '{current.project / 'dbt_project.yml'}'. Set TIDEMILL_HOME to the project."
        )
    quiet = ["-W", "ignore", "-m", "dbt.cli.main", "--quiet"]
    command = [sys.executable, *quiet, "parse", *current.dbt_options]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PARSE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise OrchestrationError(
            f"dbt did not read the project {current.project} within {PARSE_SECONDS} s. Try it: "
            "cd dbt_project && dbt parse."
        ) from None
    if done.returncode:
        reason = " ".join((done.stdout + done.stderr).split())[-600:]
        raise OrchestrationError(f"dbt cannot read the project {current.project}: {reason}")
    return f"{current.project} parses"


CHECKS: Final = {
    "folders": _folders,
    "disk": _disk,
    "warehouse": _warehouse,
    "ledger": _ledger,
    "clock": _clock,
    "dbt": _project,
}


def _settings(of_demo: set[str]) -> Iterator[Finding]:
    """Yield whether each source and output finds its settings; secrets are not shown.

    Args:
        of_demo: the sources and outputs that have them while the demo shop is open.
    """
    from loaders import OUTPUTS, SOURCES
    from loaders.deliver import output_named
    from loaders.explain import explain
    from loaders.registry import find_source

    for name, find in [(n, find_source) for n in SOURCES] + [(n, output_named) for n in OUTPUTS]:
        try:
            find(name)
        except Exception as error:  # noqa: BLE001  told in the finding
            state, found = "wrong", str(explain(error, name))
            if name in of_demo:
                state, found = "warning", _CLOSED
            yield Finding(check=name, state=state, found=found)
        else:
            yield Finding(check=name, state="ok", found="has its settings")


_CLOSED: Final = (
    "has its settings while the demo shop is open: `tidemill demo` opens it for a run, "
    "`tidemill shop` until Ctrl-C."
)
