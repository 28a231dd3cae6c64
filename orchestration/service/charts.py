"""Small charts as SVG: bars of rows by run, a run's steps on a time line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

BARS = 24
BAR, GAP, HEIGHT = 7, 3, 34
SPAN = 1000
"""Width of a time line, in units of its own."""


def bars(runs: Sequence[Mapping[str, Any]]) -> Markup:
    """Return the rows of each run, oldest first, as bars in the colour of its status.

    Heights are square roots, so that a first load does not flatten all that follow.
    """
    shown = list(runs)[:BARS][::-1]
    most = max((run["records_processed"] for run in shown), default=0)
    parts = [
        _bar(number, run, (run["records_processed"] / most) ** 0.5 if most else 0.0)
        for number, run in enumerate(shown)
    ]
    width = max(len(shown) * (BAR + GAP) - GAP, 1)
    told = f"Rows read by the last {len(shown)} runs, oldest first"
    return Markup(
        '<svg class="bars" role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}">'
        "{}</svg>"
    ).format(told, width, HEIGHT, width, HEIGHT, Markup("").join(parts))


def _bar(number: int, run: Mapping[str, Any], share: float) -> Markup:
    height = max(3.0, round(share * HEIGHT, 1))
    title = (
        f"{run['started_at']:%Y-%m-%d %H:%M} UTC: {run['records_processed']:,} rows, "
        f"{run['status']}"
    )
    return Markup(
        '<rect class="is-{}" x="{}" y="{}" width="{}" height="{}" rx="1.5"><title>{}</title></rect>'
    ).format(run["status"], number * (BAR + GAP), HEIGHT - height, BAR, height, title)


def lines(run: Mapping[str, Any], now: datetime) -> dict[str, Markup]:
    """Return for each step that began its bar on the run's time line."""
    begun = run["started_at"]
    end = run["completed_at"] or now
    ends = [step["completed_at"] for step in run["steps"] if step["completed_at"]]
    whole = max((max([end, *ends]) - begun).total_seconds(), 0.001)
    return {
        step["name"]: _line(step, (step["started_at"] - begun).total_seconds() / whole, whole, now)
        for step in run["steps"]
        if step["started_at"]
    }


def _line(step: Mapping[str, Any], start: float, whole: float, now: datetime) -> Markup:
    end = step["completed_at"] or now
    share = (end - step["started_at"]).total_seconds() / whole
    left = min(max(start, 0.0), 1.0) * SPAN
    width = max(6.0, min(share * SPAN, SPAN - left))
    return Markup(
        '<svg class="line" aria-hidden="true" viewBox="0 0 {} 14" preserveAspectRatio="none">'
        '<rect class="track" width="{}" height="14" rx="3"/>'
        '<rect class="is-{}" x="{:.1f}" width="{:.1f}" height="14" rx="3"/></svg>'
    ).format(SPAN, SPAN, escape(step["status"]), left, width)
