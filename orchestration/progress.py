"""Shows a run while it works: live bars on a terminal, plain lines everywhere else."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from orchestration import plan, summary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestration.events import Event, Listener
    from orchestration.outcome import Outcome

WIDE, NARROW = 100, 60
"""Columns of a terminal from which on there is room for all, and for a bar."""
WORDS = {
    plan.COMPLETED: "done",
    plan.FAILED: "FAILED",
    plan.SKIPPED: "left out",
    plan.CANCELLED: "cancelled",
}

DID = {
    "load_ids": "nothing new",
    "backup": "{backup}, {bytes:,} bytes",
    "before": "{before:,} bytes before, {after:,} now",
    "runs_forgotten": "{runs_forgotten:,} runs forgotten",
    "tables_expired": "rows of {tables_expired} tables deleted",
}
"""What stands in a step's detail, and how people are told of it."""

MARKS = {plan.COMPLETED: ("✓", "green"), plan.FAILED: ("✗", "red")}


def told(outcome: Outcome | None) -> str:
    """Say in a few words what a step did."""
    if outcome is None:
        return ""
    detail = outcome.detail
    if outcome.tables:
        loaded = sum(table.loaded for table in outcome.tables)
        return f"{loaded:,} rows loaded" + _and(
            sum(table.rejected for table in outcome.tables), "rejected"
        )
    if outcome.deliveries:
        sent = sum(entry.successful for entry in outcome.deliveries)
        return f"{sent:,} sent" + _and(sum(entry.failed for entry in outcome.deliveries), "refused")
    if detail.get("unchanged"):
        return "nothing new, left as it was"
    if "built" in detail:
        return summary.built_of(detail)
    return next((words.format(**detail) for key, words in DID.items() if key in detail), "")


def _and(count: int, what: str) -> str:
    return f", {count:,} {what}" if count else ""


def step_lines(out: TextIO) -> Listener:
    """Return what writes one line for each step that ends, for logs and pipes."""

    def hear(event: Event) -> None:
        fields = event.fields
        if event.name == "step_ended":
            text = fields.get("error") or told(fields.get("outcome"))
            word = WORDS[fields["status"]]
            _line(out, f"{word:9} {event.step:24} {fields['seconds']:6.1f} s  {text}")
        elif event.name == "step_retrying":
            wait = f"again in {fields['seconds']:.0f} s"
            _line(out, f"{'retrying':9} {event.step:24} {wait:>8}  {fields['error']}")
        elif event.name == "run_started":
            _line(out, f"run {event.run_id}: {fields['job']}")

    return hear


def run_lines(out: TextIO) -> Listener:
    """Return what writes a line for each run that ends, and for what the scheduler decides."""

    def hear(event: Event) -> None:
        fields = event.fields
        if event.name == "run_ended":
            run = fields["record"]
            seconds = (run["completed_at"] - run["started_at"]).total_seconds()
            text = f"{run['job']} {run['status']} in {seconds:.1f} s  {run['error'] or ''}"
            _line(out, f"{run['completed_at']:%Y-%m-%d %H:%M:%S} {run['id']} {text}")
        elif event.name.startswith("fire_"):
            _line(out, " ".join([event.name, *(f"{key}={fields[key]}" for key in fields)]))

    return hear


def _line(out: TextIO, text: str) -> None:
    out.write(text.rstrip() + "\n")
    out.flush()


def short(step: str, width: int) -> str:
    """Return a step's name as a terminal of so many columns has room for it beside a bar.

    What it does comes first, then to what; a backfill's dates, and on a narrow one the verb, go.
    """
    words = step.split(" ")
    if width >= WIDE:
        return step
    return " ".join(words[:2]) if width >= NARROW else words[:2][-1]


class LiveProgress:
    """A bar for each step that is under way, and a line for each that has ended."""

    def __init__(self, out: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.bars: dict[str, Any] = {}
        self.nodes_done = 0
        console = Console(file=out)
        self.width = console.width
        wide = (BarColumn(bar_width=24 if self.width >= WIDE else 8), TimeElapsedColumn())
        self.progress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description:24}" if self.width >= NARROW else "{task.description}"),
            *(wide if self.width >= NARROW else ()),
            TextColumn("{task.fields[text]}", markup=False),
            console=console,
            transient=True,
        )

    def __call__(self, event: Event) -> None:
        """Move the bars."""
        if event.name == "step_started":
            self.nodes_done = 0
            name = short(event.step, self.width)
            self.bars[event.step] = self.progress.add_task(name, total=None, text="")
        elif event.name == "step_progress":
            self.progress.update(self.bars[event.step], **self._moved(dict(event.fields)))
        elif event.name == "step_retrying":
            text = f"again in {event.fields['seconds']:.0f} s: {event.fields['error']}"
            self.progress.update(self.bars[event.step], text=text)
        elif event.name == "step_ended":
            self._ended(event)

    def _moved(self, fields: dict[str, Any]) -> dict[str, Any]:
        if "rows" in fields:
            return {"text": f"{fields['table']}: {fields['rows']:,} rows"}
        if "done" in fields:
            text = fields.get("text") or f"{fields['done']:,} of {fields['total']:,}"
            return {"completed": fields["done"], "total": fields["total"], "text": text}
        if "nodes" in fields:
            return {"total": fields["nodes"]}
        self.nodes_done += fields["state"] != "started"
        return {"completed": self.nodes_done, "text": fields["node"]}

    def _ended(self, event: Event) -> None:
        from rich.text import Text

        if event.step in self.bars:
            self.progress.remove_task(self.bars.pop(event.step))
        status, fields = event.fields["status"], event.fields
        text = fields.get("error") or told(fields.get("outcome"))
        # in one piece: the bars below would paint over half a line
        line = Text.assemble(
            MARKS.get(status, ("-", "yellow")),
            f" {event.step:26} {fields['seconds']:5.1f} s  ",
            (text, "dim"),
        )
        self.progress.console.print(line, highlight=False)


@contextmanager
def shown(*, silent: bool) -> Iterator[tuple[Listener, ...]]:
    """Give what shows a run on standard error: live bars on a terminal, lines elsewhere."""
    if silent:
        yield ()
    elif sys.stderr.isatty():
        live = LiveProgress(sys.stderr)
        with live.progress:
            yield (live,)
    else:
        yield (step_lines(sys.stderr),)
