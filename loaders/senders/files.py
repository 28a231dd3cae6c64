"""Writes a model to files: aside, renamed into place, and listed in a manifest at the end."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from loaders.senders.copying import Layout, Part, copier, parts
from loaders.senders.places import Place, place

if TYPE_CHECKING:
    from collections.abc import Callable

    from loaders.connection import Connection
    from loaders.delivery_sql import Model
    from loaders.warehouse import Target


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
    target: Target
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
                self._write_manifest(there, [*kept, *written], run_id, Path(scratch))
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
        before = {file.path: file for file in _manifest(there, self.output.name)}
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
        with copier(self.connection, self.target, self.model) as engine:
            for name, part in todo.items():
                path = there.aside(name, scratch)
                engine.write(part, self.output.layout, path)
                written.append(_described(path, name, part))
                there.put(path, name)
                done += part.rows
                self.on_progress(done, total)
        return tuple(written)

    def _write_manifest(
        self, there: Place, files: list[Written], run_id: str, scratch: Path
    ) -> None:
        name = f"{self.output.name}.manifest.json"
        manifest: dict[str, Any] = {
            "model": self.output.model,
            "run_id": run_id,
            "format": self.output.layout.format,
            "compression": self.output.layout.compression,
            "rows": sum(file.rows for file in files),
            "files": [asdict(file) for file in sorted(files, key=lambda file: file.path)],
        }
        path = there.aside(name, scratch)
        path.write_text(json.dumps(manifest, indent=2) + "\n")
        there.put(path, name)


def _described(path: Path, name: str, part: Part) -> Written:
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    return Written(
        path=name,
        rows=part.rows,
        bytes=path.stat().st_size,
        sha256=digest,
        fingerprint=part.fingerprint,
    )


def _holds(there: Place, before: dict[str, Written], name: str, part: Part) -> bool:
    """Tell whether a file is there as the manifest says, and made of these very rows."""
    file = before.get(name)
    return (
        file is not None and file.fingerprint == part.fingerprint and there.size(name) == file.bytes
    )


def _manifest(there: Place, name: str) -> list[Written]:
    text = there.read(f"{name}.manifest.json")
    try:
        return [Written(**file) for file in json.loads(text or b"{}").get("files", [])]
    except (ValueError, TypeError):
        return []
