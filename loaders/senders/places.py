"""Where files go: a folder, or any URL that fsspec knows; each file appears whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from loaders.connection import shown
from loaders.errors import DeliveryFailed


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder by path or by URL."""

    url: str
    _remote: Any = field(default=None, repr=False)

    @property
    def shown(self) -> str:
        """The address without a password or query, fit for a message."""
        return shown(self.url.partition("?")[0])

    def name(self, file: str) -> str:
        """The address of a file in it, fit for a message."""
        return f"{self.shown.rstrip('/')}/{file}"

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes, or None when it is not there."""
        if self._remote:
            at = self._at(name)
            return int(self._remote.size(at)) if self._remote.exists(at) else None
        path = Path(self._at(name))
        return path.stat().st_size if path.exists() else None

    def read(self, name: str) -> bytes | None:
        """Return a small file's content, or None when it is not there."""
        if self.size(name) is None:
            return None
        return (
            bytes(self._remote.cat_file(self._at(name)))
            if self._remote
            else Path(self._at(name)).read_bytes()
        )

    def aside(self, name: str, scratch: Path) -> Path:
        """Return the local path to write a file to before it is put in its place."""
        if self._remote:
            path = scratch / name
        else:
            path = Path(self._at(name))
            path = path.with_name(f".{path.name}.tmp")
        self._made(path.parent)
        return path

    def put(self, path: Path, name: str) -> None:
        """Move a finished local file to its place, over what is there."""
        if self._remote:
            at = self._at(name)
            self._remote.makedirs(at.rpartition("/")[0], exist_ok=True)
            self._remote.put_file(str(path), f"{at}.tmp")
            self._remote.mv(f"{at}.tmp", at)
            path.unlink()
            return
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.replace(self._at(name))

    def remove(self, name: str) -> None:
        """Remove a file, if it is there; and its folder, if that is empty then."""
        if self._remote:
            with suppress(FileNotFoundError):
                self._remote.rm_file(self._at(name))
            return
        path = Path(self._at(name))
        path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()

    def _at(self, name: str) -> str:
        return f"{self.url.rstrip('/')}/{name}" if not self._remote else self._joined(name)

    def _joined(self, name: str) -> str:
        return f"{self._remote._strip_protocol(self.url).rstrip('/')}/{name}"  # noqa: SLF001

    def _made(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DeliveryFailed(
                f"Cannot write to '{folder}': {error.strerror}. Make it writable, or set the "
                "output's url to a folder that is."
            ) from error


def place(url: str) -> Place:
    """Return the place that a path or URL names.

    Raises:
        DeliveryFailed: no such protocol, or its driver is not installed.
    """
    scheme = urlsplit(url).scheme
    if len(scheme) < 2:  # noqa: PLR2004  a drive letter is no protocol
        return Place(url=url)
    import fsspec

    try:
        remote, _ = fsspec.core.url_to_fs(url)
    except (ValueError, ImportError) as error:
        raise DeliveryFailed(
            f"Cannot write to '{shown(url)}': {error}. Check the output's url, and that the "
            f"package for '{scheme}' is installed."
        ) from error
    return Place(url=url, _remote=remote)
