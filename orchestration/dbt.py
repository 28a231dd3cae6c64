"""The only caller of dbt: parse once in a warm process, build in its children, read artifacts."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any, Final

from orchestration import dbt_results
from orchestration import settings as settings_
from orchestration.errors import ModelsFailed

if TYPE_CHECKING:
    from collections.abc import Callable
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

_manifest: Any = None
_parsed: tuple[int, float] | None = None


def prepare() -> None:
    """Parse the project in this process, unless nothing changed since the last time.

    A project that does not parse is no error here: the build says so.
    """
    global _manifest, _parsed  # noqa: PLW0603  what is warm about the warm process
    current = settings_.read()
    seen = fingerprint(current)
    if seen == _parsed:
        return
    _manifest, _parsed = None, seen
    if current.project.is_dir():
        result = _invoke(current, ["parse"])
        _manifest = result.result if result.success else None


def fingerprint(current: Settings) -> tuple[int, float]:
    """Return the number of the project's files and the newest time of change among them."""
    folders = [current.project / name for name in WATCHED]
    files = [file for folder in folders for file in (folder, *folder.rglob("*")) if file.exists()]
    profile = current.home / "profiles" / "profiles.yml"
    times = [file.stat().st_mtime for file in (*files, profile) if file.exists()]
    return len(files), max(times, default=0.0)


def fingerprint_text() -> str:
    """Return the fingerprint of the project as it is now."""
    return "{}:{}".format(*fingerprint(settings_.read()))


def build(request: Request, emit: Emit) -> dict[str, Any]:
    """Build and test the models and return what came of it (see `account`).

    A second try of the same run goes on where the first one failed, as `dbt retry` does.

    Raises:
        ModelsFailed: the project does not parse, or a model or test failed.
    """
    current = settings_.read(request.target)
    kept = request.artifacts / "dbt"
    result = _build(request, current, kept, emit)
    artifacts = current.dbt_target_path
    results = artifacts / "run_results.json"
    if result.result is None or not results.exists():
        raise ModelsFailed(_unbuilt(result.exception, current))
    kept.mkdir(parents=True, exist_ok=True)
    shutil.copy(results, kept)
    detail = dbt_results.account(json.loads(results.read_text()), _places(_manifest, artifacts))
    if detail["failures"]:
        raise ModelsFailed(dbt_results.sentence(detail), detail)
    return detail


def _build(request: Request, current: Settings, kept: Path, emit: Emit) -> Any:
    command = _command(request.argument, kept)
    results = current.dbt_target_path / "run_results.json"
    results.unlink(missing_ok=True)
    try:
        return _invoke(current, command, manifest=_manifest, emit=emit)
    finally:
        if current.target.kind == "duckdb":
            _release()


def _command(selection: str, kept: Path) -> list[str]:
    results = kept / "run_results.json"
    again = (
        dbt_results.undone(json.loads(results.read_text()), _parents(_manifest))
        if results.exists()
        else []
    )
    select = again or selection.split()
    return ["build", *(["--select", *select] if select else [])]


def _parents(manifest: Any) -> dict[str, list[str]]:
    nodes = {**manifest.nodes, **manifest.unit_tests} if manifest else {}
    return {name: list(node.depends_on.nodes) for name, node in nodes.items()}


def _common(current: Settings) -> list[str]:
    places = {
        "--project-dir": current.project,
        "--profiles-dir": current.home / "profiles",
        "--target": current.target.name,
        "--target-path": current.dbt_target_path,
        "--log-path": current.logs,
    }
    options = [str(part) for pair in places.items() for part in pair]
    return [*options, "--log-level", "warn", "--log-level-file", "info", "--no-use-colors"]


def _invoke(
    current: Settings, command: list[str], *, manifest: Any = None, emit: Emit | None = None
) -> Any:
    from dbt.cli.main import dbtRunner

    os.chdir(current.project)
    callbacks = [_watch(emit)] if emit else []
    return dbtRunner(manifest=manifest, callbacks=callbacks).invoke([*command, *_common(current)])


def _watch(emit: Emit) -> Callable[[Any], None]:
    def hear(event: Any) -> None:
        if event.info.name not in {"NodeStart", "NodeFinished", "ConcurrencyLine"}:
            return
        if event.info.name == "ConcurrencyLine":
            emit({"nodes": int(getattr(event.data, "node_count", 0))})
            return
        node = event.data.node_info
        emit(
            {
                "node": node.node_name,
                "resource": node.resource_type,
                "state": "started" if event.info.name == "NodeStart" else node.node_status,
            }
        )

    return hear


def _release() -> None:
    """Close what dbt leaves open on the DuckDB file, before the right to write is given up."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


def _places(manifest: Any, artifacts: Path) -> dict[str, tuple[str, str]]:
    """Return for each node what people call it, and the path of its compiled SQL."""
    nodes = manifest.nodes.values() if manifest else ()
    return {
        node.unique_id: (_label(node), str(_compiled_path(node, artifacts / "compiled")))
        for node in nodes
    }


def _label(node: Any) -> str:
    """Name a test by what it tests: dbt's own name for it carries all its arguments."""
    told = getattr(node, "test_metadata", None)
    where = str(getattr(node, "attached_node", "") or "").rpartition(".")[2]
    if not told or not where:
        return str(node.name)
    column = getattr(node, "column_name", None)
    return f"{told.name} of {where}{'.' + column if column else ''}"


def _compiled_path(node: Any, folder: Path) -> Path:
    """A test that is told in YAML is compiled to a file of its own, under the YAML's name."""
    path: Path = folder / node.package_name / node.original_file_path
    return path / node.path if path.suffix in {".yml", ".yaml"} else path


def _unbuilt(error: BaseException | None, current: Settings) -> str:
    reason = " ".join(str(error or "no reason given").split())
    return (
        f"dbt could not begin to build {current.project}: {reason}. Nothing was changed; correct "
        "it, then `tidemill resume` goes on from here."
    )
