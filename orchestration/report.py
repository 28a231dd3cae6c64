"""The run's page: an account of the night, in one HTML file that needs nothing else."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchestration import jobs, plan, quarantine_read, summary
from orchestration import settings as settings_
from orchestration.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loaders.connection import Connection
    from orchestration.settings import Settings

SAMPLES: Final = 3
"""Rows shown for each reason of the quarantine."""
SLOWEST: Final = 10
MONTH: Final = 31


def write(run_id: str, period: str = "") -> Path:
    """Write the page of a run to var/reports, and as the latest to var/report.html.

    Args:
        run_id: the run that the page is about.
        period: `month` for the runs of the last 31 days, otherwise the last fortnight of runs.
    """
    current = settings_.read()
    ledger = Ledger.open(current.ledger_url)
    run = ledger.run(run_id)
    history = ledger.runs(1000 if period else 14)
    if period == "month":
        history = [
            past for past in history if (run["started_at"] - past["started_at"]).days <= MONTH
        ]
    ledger.close()
    page = render(content(run, history, current))
    path = current.reports / f"{run_id}.html"
    for place in (path, current.var / "report.html"):
        _replace(place, page)
    return path


def _replace(place: Path, page: str) -> None:
    """Put a page in its place so that nobody ever reads half of it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    aside = place.with_suffix(f".{os.getpid()}.tmp")
    aside.write_text(page, encoding="utf-8")
    aside.replace(place)


def content(
    run: Mapping[str, Any], history: Sequence[Mapping[str, Any]], current: Settings
) -> dict[str, Any]:
    """Gather what the page shows."""
    sales, quarantine = _from_warehouse(current)
    details = [step["detail"] or {} for step in run["steps"]]
    models = [model for detail in details for model in detail.get("models", ())]
    return {
        "run": {**run, "status": _status(run)},
        "history": history,
        "built": summary.built(run),
        "models": models[:SLOWEST],
        "quarantine": quarantine,
        "freshness": _freshness(run, history),
        "chart_title": jobs.CHART.title,
        "chart": _kept_chart(sales, current.reports) if sales else "",
    }


def _status(run: Mapping[str, Any]) -> str:
    """Tell how all that the page reports on has ended, while the page itself is being written."""
    ends = {step["status"] for step in run["steps"] if step["kind"] not in {"report", "send"}}
    is_over = ends and not ends & {plan.RUNNING, plan.PENDING}
    return plan.verdict(ends) if run["status"] == plan.RUNNING and is_over else run["status"]


def _seen_by_readers(table: str, current: Settings) -> str:
    """PostgreSQL's readers have a schema of their own."""
    return table.replace("marts.", "published.") if current.target.kind == "postgres" else table


def _from_warehouse(
    current: Settings,
) -> tuple[list[tuple[Any, ...]], list[dict[str, Any]]]:
    connection = reader(current)
    if connection is None:
        return [], []
    with connection:
        table = _seen_by_readers(jobs.CHART.table, current)
        sales = _rows(connection, table, jobs.CHART.columns)
        return sales, _quarantine(connection)


def reader(current: Settings) -> Connection | None:
    """Return a connection to what readers see, or None when nothing has been published yet."""
    from loaders.connection import Connection
    from loaders.warehouse import published_path

    if current.target.kind != "duckdb":
        return current.target.connect()
    import duckdb

    path = published_path(current.target)
    if not path.exists():
        return None
    return Connection("duckdb", duckdb.connect(str(path), read_only=True))


def _rows(connection: Connection, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    schema, _, name = table.partition(".")
    if not connection.table_exists(schema, name):
        return []
    return connection.execute(f"select {', '.join(columns)} from {table} order by 1").fetchall()


def _quarantine(connection: Connection) -> list[dict[str, Any]]:
    """Return the count and a few rows of each reason for which rows break a rule."""
    found = []
    for one in quarantine_read.broken(connection):
        columns, rows, _ = quarantine_read.rows(
            connection, one["table"], reason=one["reasons"], limit=SAMPLES, offset=0
        )
        found.append({**one, "columns": columns, "rows": rows})
    return found


def _freshness(
    run: Mapping[str, Any], history: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return when each table was last read, and when something new last came."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for past in (run, *history):
        for row in past["tables"]:
            entry = found.setdefault(
                (row["source"], row["table"]),
                {"source": row["source"], "table": row["table"], "read": past["started_at"]},
            )
            if row["loaded"]:
                entry.setdefault("new", past["started_at"])
    return [found[key] for key in sorted(found)]


def _kept_chart(rows: Sequence[tuple[Any, ...]], folder: Path) -> str:
    """Return the chart; drawn anew only when its rows have changed."""
    mark = hashlib.sha256(repr((jobs.CHART, rows)).encode()).hexdigest()
    kept = folder / ".chart.svg"
    first, _, svg = kept.read_text().partition("\n") if kept.exists() else ("", "", "")
    if first == mark:
        return svg
    svg = _chart(rows)
    _replace(kept, f"{mark}\n{svg}")
    return svg


def _chart(rows: Sequence[tuple[Any, ...]]) -> str:
    """Return the chart as SVG; its words take the page's colour, light or dark."""
    import altair as alt
    import vl_convert

    when, amount, series = jobs.CHART.columns
    values = [
        {when: str(row[0]), amount: float(row[1] or 0), series: row[2]} for row in rows[-366:]
    ]
    chart = (
        alt.Chart(alt.Data(values=values))  # type: ignore[no-untyped-call]
        .mark_line(point=len(values) < 90)  # noqa: PLR2004  more points make a blot
        .encode(x=f"{when}:T", y=f"{amount}:Q", color=f"{series}:N")
        .properties(width=760, height=240, background="transparent")
        .configure_axis(labelColor="#777", titleColor="#777", gridColor="#8883", domainColor="#777")
        .configure_legend(labelColor="#777", titleColor="#777")
        .configure_view(stroke=None)
    )
    svg: str = vl_convert.vegalite_to_svg(chart.to_dict())
    return svg.replace('fill="#777"', 'fill="currentColor"')


def render(values: Mapping[str, Any]) -> str:
    """Fill the page's template."""
    from jinja2 import Environment, FileSystemLoader

    folder = Path(__file__).parent / "templates"
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, trim_blocks=True)
    return environment.get_template("report.html.j2").render(values)
