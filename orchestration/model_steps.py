"""The kinds of step around the models: build and test them, and let readers see them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from loaders import SOURCES
from loaders.errors import LoaderError
from orchestration import settings
from orchestration.outcome import Outcome
from orchestration.steps import number, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from loaders.warehouse import Target
    from orchestration.steps import Request

    Emit = Callable[[dict[str, Any]], None]


NEVER_BUILT = "Some models were never built; `tidemill transform` builds all."
UNLOADED = (
    "Never loaded, and so without tables: {}. Load them, or delete their models; `tidemill doctor` "
    "tells which settings they lack."
)


def transform(request: Request, emit: Emit) -> Outcome:
    """Build and test the models: all of them, or the selection in the argument.

    Where only what is new counts, of these the ones that stand on a source with something new.
    """
    from orchestration import audit, dbt

    with writing(request, emit) as warehouse, warehouse.held_open():
        lacking = _declare(warehouse, dbt.sources())
        seen = _seen(warehouse)
        changed = _changed(request, seen, warehouse)
        there = audit.relations(warehouse)
        is_job = request.only_new
        selection = dbt.narrowed(request.argument, changed, there) if is_job else request.argument
        if selection is None:
            return _as_before(request, seen)
        with audit.pending(warehouse, request.argument, request.run_id):
            until = "" if changed is None else _tested_until(request, dbt.sources())
            detail = dbt.build(
                request,
                selection,
                emit,
                unit_tests=changed is None,
                lacking=lacking or ("" if dbt.is_whole(there) else NEVER_BUILT),
                tested_until=until,
            )
        return Outcome(detail={**detail, "seen": seen, "build": request.run_id})


def _declare(warehouse: Target, wanted: set[str]) -> str:
    """Make the tables of sources that were never loaded: a model may stand on several sources.

    Returns a sentence on those for which it cannot, because a setting is missing, say; or ''.
    """
    from orchestration import audit

    there = audit.relations(warehouse)
    missing = {name for name in wanted & SOURCES.keys() if f"raw_{name}._dlt_loads" not in there}
    lacking = []
    for name in sorted(missing):
        from loaders.load import declare

        try:
            declare(name, target=warehouse)
        except LoaderError:
            lacking.append(name)
    return UNLOADED.format(", ".join(lacking)) if lacking else ""


def unchanged(request: Request, emit: Emit) -> Outcome:
    """Tell whether the models stand as they were built and tested; needs no dbt to find out."""
    with writing(request, emit) as warehouse, warehouse.held_open():
        seen = _seen(warehouse)
        if _changed(request, seen, warehouse) == set():
            return _as_before(request, seen)
    return Outcome()


def _seen(warehouse: Target) -> dict[str, Any]:
    """Return what the models are built from: the project's files and the committed loads."""
    from orchestration import audit, dbt

    return {"project": dbt.fingerprint(settings.read()), "loads": audit.loads(warehouse)}


def _changed(request: Request, seen: dict[str, Any], warehouse: Target) -> set[str] | None:
    """Return the sources with something new since a build that passed; None: build all."""
    from orchestration import audit

    before = (request.before or {}).get("seen") or {}
    if not request.only_new or before.get("project") != seen["project"] or audit.marks(warehouse):
        return None
    return audit.changed(warehouse, before["loads"], set(request.idle))


def _tested_until(request: Request, sources: Collection[str]) -> str:
    """Return the newest load up to which a build that passed had the rows of all that it reads."""
    seen = request.before["seen"]["loads"] if request.before else {}
    chosen = request.argument.replace("source:", "").replace("+", "").split() or sources
    return min((seen.get(name, "") for name in chosen), default="")


def _as_before(request: Request, seen: dict[str, Any]) -> Outcome:
    build = (request.before or {}).get("build")
    return Outcome(detail={"unchanged": True, "seen": seen, "build": build})


def publish(request: Request, emit: Emit) -> Outcome:
    """Let readers see the marts that have passed their tests."""
    from orchestration import audit

    build = next((need["build"] for need in request.needs if "build" in need), None)
    before = request.before or {}
    if build and before.get("build") == build and _is_there(before["published"]):
        same = before.get("quarantine", {})
        return Outcome(detail={**before, "unchanged": True, "quarantine_before": same})
    with writing(request, emit) as warehouse, warehouse.held_open():
        counted = audit.passed(warehouse)
        place = _published(warehouse)
    told = {"quarantine": counted, "quarantine_before": before.get("quarantine", {})}
    return Outcome(detail={"published": place, "build": build, **told})


def _published(warehouse: Target) -> str:
    """Publish, and return where readers find it: a file, or a schema of PostgreSQL."""
    if warehouse.kind == "postgres":
        from loaders.swap import swap

        return swap(warehouse)
    from loaders.publish import publish as publish_marts

    return str(publish_marts(warehouse))


def _is_there(published: str) -> bool:
    return Path(published).exists() or "/" not in published


def expire(request: Request, emit: Emit) -> Outcome:
    """Delete events, rejects and replaced versions that came before the argument's days."""
    from orchestration import dbt

    days = number(request, 90)
    with writing(request, emit):
        told = dbt.expire(request, days)
    notices = [line for line in told if ": 0 rows" not in line]
    return Outcome(detail={"notices": notices, "tables_expired": len(notices)})
