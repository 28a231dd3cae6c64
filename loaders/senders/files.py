"""Writes a model to files: aside, renamed into place, and listed in a manifest at the end."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from loaders.senders.copying import Layout, Part, copy, part_query, parts
from loaders.senders.places import Place, place
from loaders.senders.watched import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from loaders.connection import Connection
    from loaders.delivery_sql import Model


@dataclass(frozen=True, kw_only=True)
class FileOutput:
    """An output that is a model's rows in files."""

    model: str
    """The dbt model, as `schema.table`."""
    url: str = field(repr=False)
    """A folder, or any URL that fsspec knows."""
    name: str
    """The files' name, without its ending."""
    layout: Layout


@dataclass(frozen=True, kw_only=True)
class Written:
    """One file of a manifest."""

    path: str
    rows: int
    bytes: int
    sha256: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class FilesWritten:
    """What one export did."""

    written: tuple[Written, ...]
    kept: tuple[Written, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Export:
    """One delivery of a model to files."""

    output: FileOutput
    model: Model
    connection: Connection
    on_progress: Callable[[int, int], object]

    def run(self, run_id: str) -> FilesWritten:
        """Write the files that are missing or whose rows changed; remove those without rows now.

        The manifest is written last: until then it tells of the state before.
        """
        there = place(self.output.url)
        before, wanted, todo = self._compared(there)
        kept = [before[name] for name in wanted if name not in todo]
        removed = tuple(name for name in before if name not in wanted)
        with TemporaryDirectory() as scratch:
            written = self._write(there, todo, Path(scratch))
            if written or removed:
                facts = {"model": self.output.model, "run_id": run_id, **self.output.layout.facts}
                files = [*kept, *written]
                write_manifest(there, self.output.name, files, facts, Path(scratch))
        for name in removed:
            there.remove(name)
        return FilesWritten(written=written, kept=tuple(kept), removed=removed)

    def outdated(self) -> dict[str, Part]:
        """Return the files that are missing or whose rows changed."""
        return self._compared(place(self.output.url))[2]

    def _compared(
        self, there: Place
    ) -> tuple[dict[str, Written], dict[str, Part], dict[str, Part]]:
        """Return what the manifest has, what it should have, and what is to be written for that."""
        before = {file.path: file for file in read_manifest(there, self.output.name)}
        wanted = self._wanted()
        held = {name for name in wanted if _holds(there, before, name, wanted[name])}
        return before, wanted, {name: wanted[name] for name in wanted if name not in held}

    def _wanted(self) -> dict[str, Part]:
        layout = self.output.layout
        found = parts(self.connection, self.model, layout)
        return {layout.name(self.output.name, part.values): part for part in found}

    def _write(self, there: Place, todo: dict[str, Part], scratch: Path) -> tuple[Written, ...]:
        done, total = 0, sum(part.rows for part in todo.values())
        self.on_progress(done, total)
        written = []
        for name, part in todo.items():
            path = there.aside(name, scratch)
            query, types = part_query(self.model, part, self.output.layout)
            progress = self._progress(done, part.rows, total)
            copy(self.connection, query, types, self.output.layout, path, progress)
            written.append(described(path, name, part.rows, part.fingerprint))
            there.put(path, name)
            done += part.rows
            self.on_progress(done, total)
        return tuple(written)

    def _progress(self, done: int, rows: int, total: int) -> Progress:
        """Tell of the rows within a file as they are written."""
        tell = self.on_progress
        return Progress(rows=rows, on_share=lambda share: tell(done + int(share * rows), total))


def described(path: Path, name: str, rows: int, fingerprint: str = "") -> Written:
    """Measure a finished file for the manifest."""
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    return Written(
        path=name,
        rows=rows,
        bytes=path.stat().st_size,
        sha256=digest,
        fingerprint=fingerprint,
    )


def _holds(there: Place, before: dict[str, Written], name: str, part: Part) -> bool:
    """Tell whether a file is there as the manifest says, and made of these very rows."""
    file = before.get(name)
    return (
        file is not None and file.fingerprint == part.fingerprint and there.size(name) == file.bytes
    )


def read_manifest(there: Place, name: str) -> list[Written]:
    """Return the files that a manifest lists; none when there is no manifest."""
    text = there.read(f"{name}.manifest.json")
    try:
        return [Written(**file) for file in json.loads(text or b"{}").get("files", [])]
    except (ValueError, TypeError):
        return []


def write_manifest(
    there: Place, name: str, files: list[Written], facts: dict[str, Any], scratch: Path
) -> None:
    """Put a manifest in its place."""
    manifest = {
        **facts,
        "rows": sum(file.rows for file in files),
        "files": [asdict(file) for file in sorted(files, key=lambda file: file.path)],
    }
    path = there.aside(f"{name}.manifest.json", scratch)
    path.write_text(json.dumps(manifest, indent=2) + "\n")
    there.put(path, f"{name}.manifest.json")
