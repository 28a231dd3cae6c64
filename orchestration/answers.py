"""What the commands answer that look: read from the ledger, the logs and the schedule."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from orchestration import jobs, lease, plan, show, summary
from orchestration.clock import Clock
from orchestration.commands import opened
from orchestration.errors import NameUnknown, unknown
from orchestration.logs import NAME, lines_of
from orchestration.schedule import next_fire
from orchestration.show import Grid

NO_RUN = "No run yet. `tidemill demo` makes one; `tidemill run daily` as well."
NO_TIME = "No job comes in this time. `--hours` looks further ahead."


def status(target: str | None, *, limit: int, as_json: bool) -> int:
    """Show the newest runs, and the account of the last one."""
    with opened(target) as (current, ledger):
        runs = ledger.runs(limit)
        if as_json:
            show.as_json({"target": current.target.name, "runs": runs})
        elif runs:
            for content in summary.grids(runs[0]):
                show.grid(content)
            show.grid(_run_grid(runs))
            for line in summary.headline(runs[0]):
                show.text(line)
        else:
            show.text(NO_RUN)
    return 0


def runs(target: str | None, *, job: str | None, limit: int, as_json: bool) -> int:
    """List runs, newest first."""
    if job and job not in jobs.JOBS and " " not in job:
        raise unknown("job", job, jobs.JOBS)
    with opened(target) as (_, ledger):
        found = ledger.runs(limit, job=job)
        show.as_json({"runs": found}) if as_json else show.grid(_run_grid(found), empty=NO_RUN)
    return 0


def _run_grid(found: list[dict[str, Any]]) -> Grid:
    """Return a line for each run; on what target only where there are several."""
    several = len({run["target"] for run in found}) > 1
    header = ("run", "job", *(("target",) if several else ()), "status", "started (UTC)")
    rows = [
        [
            *[run[name] for name in ("id", "job", *(("target",) if several else ()), "status")],
            f"{run['started_at']:%m-%d %H:%M}",
            run["records_processed"],
            run["records_rejected"],
        ]
        for run in found
    ]
    return Grid(title="Runs", header=(*header, "read", "rejected"), rows=rows)


def cancel(run_id: str, target: str | None, *, as_json: bool) -> int:
    """Ask a run, wherever it is at work, to stop."""
    with opened(target) as (_, ledger):
        run = ledger.run(run_id)
        if run["status"] != plan.RUNNING:
            raise NameUnknown(f"Cannot cancel the run '{run['id']}': it is {run['status']}.")
        lease.request_cancel(ledger, run["id"])
        answer = {"run": run["id"], "asked": "cancel"}
        show.as_json(answer) if as_json else show.text(
            f"The run {run['id']} has been asked to stop; it does within seconds."
        )
    return 0


def list_jobs(*, as_json: bool) -> int:
    """List the jobs and what they do."""
    rows = [[name, len(job.steps), job.description] for name, job in jobs.JOBS.items()]
    answer = {"jobs": {name: job.names() for name, job in jobs.JOBS.items()}}
    grid = Grid(title="Jobs", header=("job", "steps", "what it does"), rows=rows)
    show.as_json(answer) if as_json else show.grid(grid)
    return 0


def coming(target: str | None, *, hours: float, as_json: bool) -> int:
    """List when each scheduled job comes; of frequent ones the next time only."""
    del target
    now = Clock().now()
    found = sorted(
        (time, name, schedule.words())
        for name, job in jobs.JOBS.items()
        if (schedule := job.schedule)
        for time in [next_fire(schedule, now)]
        if time - now <= timedelta(hours=hours)
    )
    rows = [[time, name, words] for time, name, words in found]
    header = ("comes (UTC)", "job", "schedule")
    answer = [dict(zip(("time", "job", "schedule"), row, strict=True)) for row in rows]
    grid = Grid(title="Next", header=header, rows=rows)
    show.as_json({"next": answer}) if as_json else show.grid(grid, empty=NO_TIME)
    return 0


def logs(run_id: str | None, target: str | None, *, as_json: bool) -> int:
    """Show the log's lines of a run, by default the newest, and what its steps printed."""
    with opened(target) as (current, ledger):
        run = ledger.run(run_id) if run_id else next(iter(ledger.runs(1)), None)
        if run is None:
            raise NameUnknown(NO_RUN)
    lines, _ = lines_of(current.logs / NAME, run["id"])
    printed = {
        path.stem: path.read_text(errors="replace")
        for path in sorted(current.artifacts(run["id"]).glob("*.log"))
    }
    if as_json:
        show.as_json({"run": run["id"], "log": lines, "printed": printed})
        return 0
    for line in lines:
        rest = {key: value for key, value in line.items() if key not in _SHOWN}
        words = " ".join(f"{key}={value}" for key, value in rest.items())
        show.text(f"{line['timestamp']} {line['event']:15} {line.get('step', '')} {words}".rstrip())
    for step, text in printed.items():
        show.text(
            f"--- {step} printed:\n{text.rstrip()}" if text.strip() else f"--- {step}: nothing"
        )
    return 0


_SHOWN = ("timestamp", "event", "step", "run_id")
