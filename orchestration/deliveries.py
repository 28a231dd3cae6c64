"""What the commands for outputs show."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from loaders import OUTPUTS
from orchestration import show
from orchestration.errors import unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loaders.delivery import Preview


def known(output: str) -> None:
    """Refuse an output that does not exist.

    Raises:
        NameUnknown: there is none of that name.
    """
    if output not in OUTPUTS:
        raise unknown("output", output, OUTPUTS)


def show_preview(output: str, target_name: str | None, limit: int, *, as_json: bool) -> int:
    """Show what a delivery would send."""
    from loaders.deliver import preview
    from loaders.warehouse import target

    seen = preview(output, target=target(target_name), limit=limit)
    if as_json:
        show.as_json(asdict(seen))
    else:
        _tell_preview(seen)
    return 0


def _tell_preview(seen: Preview) -> None:
    left = f", after {seen.left:,} that are left from before" if seen.left else ""
    show.text(
        f"{seen.output} would send {seen.upserts:,} and delete {seen.deletes:,} at "
        f"{seen.destination}{left}. Nothing was sent."
    )
    rows = [[item.method, item.key, item.data] for item in seen.items]
    show.grid(show.Grid(title="First of them", header=("what", "key", "data"), rows=rows))
    for file in seen.files:
        show.text(f"  {file}")


def show_refused(output: str, target_name: str | None, limit: int, *, as_json: bool) -> int:
    """Show what was refused, and the answers."""
    from loaders.deliver import refused
    from loaders.warehouse import target

    found = refused(output, target=target(target_name))
    if as_json:
        show.as_json({"output": output, "refused": [asdict(item) for item in found[:limit]]})
        return 0
    show.text(f"{output}: {len(found):,} refused.")
    header = ("key", "what", "code", "answer", "at (UTC)", "run")
    rows = [
        [
            item.key,
            "delete" if item.is_delete else "upsert",
            item.code,
            item.answer,
            f"{item.refused_at:%Y-%m-%d %H:%M:%S}",
            item.run_id,
        ]
        for item in found[:limit]
    ]
    show.grid(show.Grid(title=f"Refused by {output}", header=header, rows=rows))
    if found:
        show.text(
            f"Each is sent again when it changes; all now: tidemill deliver {output} --replay; "
            "one: --key KEY."
        )
    return 0


def convert_file(source: str, to: str, sql: str, rejects: str | None, *, as_json: bool) -> int:
    """Convert a file and tell what came of it."""
    from loaders.convert import convert

    with _bar(to, is_shown=sys.stderr.isatty() and not as_json) as tell:
        done = convert(source, to, sql=sql, rejects=rejects, on_progress=tell)
    if as_json:
        show.as_json(asdict(done))
        return 0
    kept = f", {done.rejected:,} lines set aside in {rejects}" if rejects else ""
    show.text(f"{done.to}: {done.rows:,} rows, {done.bytes:,} bytes, {done.seconds:.1f} s{kept}.")
    return 0


@contextmanager
def _bar(title: str, *, is_shown: bool) -> Iterator[Callable[[int, int], object] | None]:
    """Give what moves a progress bar, on a terminal; None elsewhere."""
    if not is_shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=100)
        yield lambda done, total: progress.update(task, completed=done, total=total)
