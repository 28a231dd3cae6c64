"""The only caller of dbt: parse once in a warm process, build in its children, read artifacts."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from orchestration import dbt_manifest, dbt_results
from orchestration import settings as settings_
from orchestration.errors import ModelsFailed, NothingBuilt

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from orchestration.settings import Settings
    from orchestration.steps import Request

    Emit = Callable[[dict[str, Any]], None]

WATCHED: Final = (
    "models",
    "macros",
    "seeds",
    "snapshots",
    "tests",
    "dbt_project.yml",
    "packages.yml",
)

QUIET: Final = ("--log-level", "none", "--log-level-file", "none", "--no-use-colors")
"""dbt's loggers word every event, shown or not, which costs a fifth of a build."""
UNWRITTEN: Final = "--no-write-json"
"""`parse` writes the manifest; once more for each build is a tenth of it."""
THIRD: Final = 3

_manifest: Any = None
_parsed = ""
_asked = 0


def prepare() -> None:
    """Parse the project in this process, unless nothing changed since the last time.

    A project that does not parse is no error here: the build says so. Called at the start and
    before each child; who builds a second time will build again, and gets all macros compiled.
    """
    global _manifest, _parsed, _asked  # noqa: PLW0603  what is warm about the warm process
    current = settings_.read()
    seen = fingerprint(current)
    _asked += 1
    if seen != _parsed:
        _manifest, _parsed = None, seen
        if current.project.is_dir():
            result = _invoke(current, ["parse"])
            _manifest = result.result if result.success else None
    elif _asked == THIRD and _manifest:
        _compile_macros()


def _compile_macros() -> None:
    from dbt_common.clients.jinja import template_cache

    for macro in _manifest.macros.values():
        template_cache.get_node_template(macro)


def fingerprint(current: Settings) -> str:
    """Return what changes when a file of the project does: names, sizes and times of them all.

    A file may be newer than it was and older than another: copies keep their times.
    """
    folders = [current.project / name for name in WATCHED]
    files = {file for folder in folders for file in (folder, *folder.rglob("*"))}
    seen = hashlib.sha256()
    for file in sorted({*files, current.home / "profiles" / "profiles.yml"}):
        if file.is_file():
            facts = file.stat()
            seen.update(f"{file} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return seen.hexdigest()


def sources() -> set[str]:
    """Return the names of the sources that models stand on."""
    return dbt_manifest.sources(_manifest) if _manifest else set()


def narrowed(selection: str, changed: Collection[str] | None, there: Collection[str]) -> str | None:
    """Return what of a selection is to be built (see dbt_manifest)."""
    return dbt_manifest.narrowed(_manifest, selection, changed, there) if _manifest else selection


def is_whole(there: Collection[str]) -> bool:
    """Return whether every model is among the tables and views that are there."""
    return not _manifest or dbt_manifest.relations(_manifest, _manifest.nodes) <= set(there)


def build(
    request: Request,
    selection: str,
    emit: Emit,
    *,
    unit_tests: bool = True,
    lacking: str = "",
    tested_until: str = "",
) -> dict[str, Any]:
    """Build and test the models and return what came of it (see `account`).

    A second try of the same run goes on where the first one failed, as `dbt retry` does.

    Args:
        request: the step's.
        selection: as `dbt build --select` takes it; '' for all.
        emit: hears of each model.
        unit_tests: whether to run those too: they test the SQL, and need not be run again for rows
            that are new to SQL that has passed them.
        lacking: what is not there that models may stand on, told when something fails; then tests
            that look at models beside the selection are left out.
        tested_until: the load up to which rows have passed the test `unique`; '' for none.

    Raises:
        NothingBuilt: dbt could not begin: the project does not parse, say.
        ModelsFailed: a model or test failed.
    """
    current = settings_.read(request.target)
    results = request.artifacts / "dbt" / "run_results.json"
    command = _command(selection, results)
    if not unit_tests:
        command += ["--exclude-resource-type", "unit_test"]
    if lacking:
        command += ["--indirect-selection", "buildable"]
    if _manifest is None:  # the warm process has parsed, in threads of Rust that its child lacks
        command += ["--no-static-parser"]
    watch = Watch(emit)
    os.environ["TIDEMILL_TESTED_UNTIL"] = tested_until
    try:
        built = _invoke(current, command, callbacks=[watch, _print])
    finally:
        _release(current)
    if built.result is None:
        raise _unbuilt(built.exception, current, has_begun=watch.has_begun)
    results.parent.mkdir(parents=True, exist_ok=True)
    built.result.write(str(results))
    detail = dbt_results.account(
        json.loads(results.read_text()),
        dbt_manifest.places(_manifest, current.dbt_target_path),
    )
    if detail["failures"]:
        raise ModelsFailed(f"{dbt_results.sentence(detail)} {lacking}".rstrip(), detail)
    return {**detail, "notices": watch.notices}


def expire(request: Request, days: int) -> list[str]:
    """Run the project's operation `retain`, and return what it told: rows deleted of each table.

    Raises:
        ModelsFailed: it could not be run to its end.
    """
    current = settings_.read(request.target)
    told: list[str] = []

    def hear(event: Any) -> None:
        text = str(event.info.msg)
        told.extend([text] if text.startswith("retention:") else [])

    command = ["run-operation", "retain", "--args", f"{{days: {days}}}", UNWRITTEN]
    try:
        done = _invoke(current, command, callbacks=[hear])
    finally:
        _release(current)
    if not done.success:
        raise _unbuilt(done.exception, current, has_begun=True)
    return told


def _command(selection: str, results: Path) -> list[str]:
    again = (
        dbt_results.undone(json.loads(results.read_text()), dbt_manifest.parents(_manifest))
        if results.exists()
        else []
    )
    select = again or selection.split()
    return ["build", UNWRITTEN, *(["--select", *select] if select else [])]


def _invoke(
    current: Settings, command: list[str], *, callbacks: Sequence[Callable[[Any], None]] = ()
) -> Any:
    from dbt.cli.main import dbtRunner

    os.chdir(current.project)
    runner = dbtRunner(manifest=_manifest, callbacks=list(callbacks))
    return runner.invoke([*command, *current.dbt_options, *QUIET])


class Watch:
    """Hears what dbt does: passes on which node it is at, keeps what a person should know."""

    def __init__(self, emit: Emit) -> None:
        self.emit = emit
        self.has_begun = False
        self.notices: list[str] = []

    def __call__(self, event: Any) -> None:
        """Hear one of dbt's events."""
        name = event.info.name
        if name == "NoNodesForSelectionCriteria":
            self.notices.append(f"'{event.data.spec_raw}' selects nothing: no model of it is built")
        elif name == "ConcurrencyLine":
            self.emit({"nodes": int(getattr(event.data, "node_count", 0))})
        elif name in {"NodeStart", "NodeFinished"}:
            self.has_begun = True
            node = event.data.node_info
            state = "started" if name == "NodeStart" else node.node_status
            self.emit({"node": node.node_name, "resource": node.resource_type, "state": state})


def _print(event: Any) -> None:
    """Write what a person should see to the step's log."""
    if event.info.level in {"warn", "error"} or event.info.name == "PrintEvent":
        from dbt_common.events.functions import env_scrubber

        sys.stdout.write(f"{env_scrubber(event.info.msg)}\n")


def _release(current: Settings) -> None:
    """Close what dbt leaves open on the DuckDB file, before the right to write is given up."""
    if current.target.kind != "duckdb":
        return
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


def _unbuilt(error: BaseException | None, current: Settings, *, has_begun: bool) -> ModelsFailed:
    reason = " ".join(str(error or "no reason given").split()).rstrip(".")
    if has_begun:
        return ModelsFailed(
            f"dbt gave up in {current.project}: {reason}. What readers see has not changed; "
            "correct it, then `tidemill resume` goes on from here."
        )
    return NothingBuilt(
        f"dbt could not begin to build {current.project}: {reason}. Nothing was changed; correct "
        "it, then `tidemill resume` goes on from here."
    )
