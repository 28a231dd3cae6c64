"""Shows a run while it works: live bars on a terminal, plain lines everywhere else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Self, TextIO

from orchestration import plan

if TYPE_CHECKING:
    from orchestration.events import Event
    from orchestration.outcome import Outcome

WORDS = {
    plan.COMPLETED: "done",
    plan.FAILED: "FAILED",
    plan.SKIPPED: "left out",
    plan.CANCELLED: "cancelled",
}

MARKS = {plan.COMPLETED: ("✓", "green"), plan.FAILED: ("✗", "red")}


def told(outcome: Outcome | None) -> str:
    """Say in a few words what a step did."""
    if outcome is None:
        return ""
    if outcome.tables:
        loaded = sum(table.loaded for table in outcome.tables)
        rejected = sum(table.rejected for table in outcome.tables)
        return f"{loaded:,} rows loaded" + (f", {rejected:,} rejected" if rejected else "")
    if outcome.deliveries:
        return ", ".join(_sent(entry.successful, entry.failed) for entry in outcome.deliveries)
    detail = outcome.detail
    if detail.get("unchanged"):
        return "nothing new, left as it was"
    if "built" in detail:
        return f"{detail['built']} models built, {detail['tests_passed']} tests passed"
    return ""


def _sent(successful: int, failed: int) -> str:
    return f"{successful:,} sent" + (f", {failed:,} refused" if failed else "")


class PlainProgress:
    """One line for each step that ends, for logs and pipes."""

    def __init__(self, out: TextIO) -> None:
        self.out = out

    def __call__(self, event: Event) -> None:
        """Print what is worth a line."""
        fields = event.fields
        if event.name == "step_ended":
            word = WORDS[fields["status"]]
            text = fields.get("error") or told(fields.get("outcome"))
            self._line(f"{word:9} {event.step:24} {fields['seconds']:6.1f} s  {text}")
        elif event.name == "step_retrying":
            wait = f"again in {fields['seconds']:.0f} s"
            self._line(f"{'retrying':9} {event.step:24} {wait:>8}  {fields['error']}")
        elif event.name == "run_started":
            self._line(f"run {event.run_id}: {fields['job']}")

    def _line(self, text: str) -> None:
        self.out.write(text.rstrip() + "\n")
        self.out.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.out.flush()


class RunLines:
    """One line for each run that ends, and for what the scheduler decides: for a service's log."""

    def __init__(self, out: TextIO) -> None:
        self.out = out

    def __call__(self, event: Event) -> None:
        """Print what is worth a line."""
        fields = event.fields
        if event.name == "run_ended":
            run = fields["record"]
            seconds = (run["completed_at"] - run["started_at"]).total_seconds()
            text = f"{run['job']} {run['status']} in {seconds:.1f} s  {run['error'] or ''}"
            self._line(f"{run['completed_at']:%Y-%m-%d %H:%M:%S} {run['id']} {text}")
        elif event.name.startswith("fire_"):
            self._line(" ".join([event.name, *(f"{key}={fields[key]}" for key in fields)]))

    def _line(self, text: str) -> None:
        self.out.write(text.rstrip() + "\n")
        self.out.flush()


class LiveProgress:
    """A bar for each step that is under way, and a line for each that has ended."""

    def __init__(self, out: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.bars: dict[str, Any] = {}
        self.nodes_done = 0
        self.progress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description:24}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            console=Console(file=out),
            transient=True,
        )

    def __call__(self, event: Event) -> None:
        """Move the bars."""
        if event.name == "step_started":
            self.nodes_done = 0
            self.bars[event.step] = self.progress.add_task(event.step, total=None, text="")
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

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()


class NoProgress:
    """Says nothing: for --json."""

    def __call__(self, event: Event) -> None:
        """Hear, and be silent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def for_stream(*, silent: bool = False) -> LiveProgress | PlainProgress | NoProgress:
    """Return the progress display that suits standard error."""
    if silent:
        return NoProgress()
    return LiveProgress(sys.stderr) if sys.stderr.isatty() else PlainProgress(sys.stderr)
