"""What there is in a folder or a bucket, on any file system that fsspec knows."""

from __future__ import annotations

import glob
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal

import dlt
import fsspec

from loaders.addresses import shown_url
from loaders.errors import LoaderError, SettingMissing, SourceRefused, SourceUnreachable
from loaders.readers.formats import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fsspec import AbstractFileSystem

Format = Literal["csv", "json", "jsonl", "parquet"]
ETAGS: Final = ("ETag", "etag")
CHANGES: Final = (
    "mtime",
    "LastModified",
    "Last-Modified",
    "last_modified",
    "updated",
    "modified",
    "modify",
)
"""Where file systems tell when a file was changed; what FTP tells is a text of digits."""
GONE: Final = (404, 410)
"""What a web server answers of a file that it has not."""
ASKED_AT_ONCE: Final = 8
"""Files of a web server that are asked after side by side."""


@dataclass(frozen=True, kw_only=True)
class File:
    """One file as it is now."""

    path: str
    """Below the folder; stored with the rows."""
    place: str
    """The path by which its file system opens it."""
    kind: str
    """`csv`, `json`, `jsonl` or `parquet`."""
    size: int
    """Bytes."""
    version: str
    """Changes with the content: etag, or modification time and size."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files below a folder, by path."""

    files: list[File]
    """Those that can be read now."""
    unknown: list[str]
    """Paths of files that no ending tells the format of."""
    paths: set[str]
    """All, below the folder: of files that can be read, and of those still being written."""


def find(
    url: str,
    pattern: str,
    settled: float | None = None,
    format: Format | None = None,  # noqa: A002
) -> tuple[AbstractFileSystem, Listing]:
    """Return the file system of a folder, and the files below it.

    Args:
        url: the folder.
        pattern: which files below it.
        settled: files changed after this time (epoch seconds) are not to be read yet.
        format: of files whose ending does not tell.

    Raises:
        SettingMissing: no folder is given, nothing here can read one of its kind, or it does not
            tell when its files were changed.
        SourceRefused: it may not be read.
        SourceUnreachable: there is no such folder, or it does not answer.
    """
    if not url.strip():  # it would be read as the current folder
        raise SettingMissing(
            "The setting `url` of a folder of files is empty. Set it in .dlt/config.toml, or by "
            f"the variable {_variable()}."
        )
    with _reached(url):
        filesystem, root = fsspec.core.url_to_fs(url)
        filesystem.invalidate_cache()  # a process that stays would see the files of its first load
        if not filesystem.isdir(root):
            raise SourceUnreachable(
                f"Cannot read the folder '{_shown(url)}': it does not exist. Check the source's "
                f"`url` in .dlt/config.toml, or the variable {_variable()}."
            )
        root = root.rstrip("/")
        listed = filesystem.glob(f"{glob.escape(root)}/{pattern}", detail=True)
        found = _told(filesystem, listed, format)
    there = {p[len(root) + 1 :]: info for p, info in found.items() if info["type"] == "file"}
    kinds = {path: kind_of(path) or format for path in sorted(there)}
    files = [
        _file(path, f"{root}/{path}", there[path], kind)
        for path, kind in kinds.items()
        if kind and (settled is None or _changed_at(there[path], url) <= settled)
    ]
    unknown = [path for path, kind in kinds.items() if not kind]
    return filesystem, Listing(files=files, unknown=unknown, paths={*there})


def _told(
    filesystem: AbstractFileSystem,
    found: dict[str, Any],
    format: Format | None,  # noqa: A002
) -> dict[str, Any]:
    """Return what is told of each file, asking for it where a folder is a page of mere links.

    A link to nothing is no file.
    """
    links = [
        path
        for path, info in found.items()
        if info["type"] == "file" and (kind_of(path) or format) and _is_link(info)
    ]
    with ThreadPoolExecutor(ASKED_AT_ONCE) as threads:
        asked = dict(zip(links, threads.map(partial(_asked, filesystem), links), strict=True))
    return {path: info for path, info in (found | asked).items() if info}


def _asked(filesystem: AbstractFileSystem, path: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = filesystem.info(path)
    except FileNotFoundError as error:  # so is told any failure
        if getattr(error.__cause__, "status", GONE[0]) in GONE:
            return None
        raise SourceUnreachable(
            f"Cannot read '{_shown(path)}': {error.__cause__}. Check the server, and load again."
        ) from error
    return found


def _is_link(info: dict[str, Any]) -> bool:
    return info["size"] is None and _first(info, (*ETAGS, *CHANGES)) is None


@contextmanager
def _reached(url: str) -> Iterator[None]:
    """Tell what is wrong with a file system, which raises errors of its own library."""
    where = f"Cannot read the folder '{_shown(url)}'"
    try:
        yield
    except LoaderError:
        raise
    except ImportError as error:
        package = getattr(error.__cause__, "name", None) or getattr(error, "name", None)
        raise SettingMissing(
            f"{where}: such URLs need the package {package or 'that fsspec names'} ({error}). Name "
            "it in the dependencies of pyproject.toml, then `make lock` and `make install`."
        ) from error
    except ValueError as error:
        raise SettingMissing(
            f"{where}: {error}. Check the source's `url` in .dlt/config.toml, or the variable "
            f"{_variable()}."
        ) from error
    except Exception as error:
        told = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        kind = SourceRefused if isinstance(error, PermissionError) else SourceUnreachable
        raise kind(
            f"{where}: {told}. Check that it can be reached, and who may read it: fsspec takes "
            "keys and endpoints from where its library always does, such as AWS_ACCESS_KEY_ID. "
            "Nothing is lost: the next load goes on from the last committed one."
        ) from error


def _shown(url: str) -> str:
    return shown_url(url) if "://" in url else url


def _variable() -> str:
    return f"SOURCES__{dlt.current.source_schema().name.upper()}__URL"


def _file(name: str, path: str, info: dict[str, Any], kind: str) -> File:
    size, changed = int(info["size"] or 0), _first(info, CHANGES)
    version = _first(info, ETAGS) or (f"{_epoch(changed)}-{size}" if changed else _digest(info))
    return File(path=name, place=path, kind=kind, size=size, version=str(version))


def _first(info: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((info[name] for name in names if info.get(name)), None)


def _digest(info: dict[str, Any]) -> str:
    """Return what differs when a file system tells anything else of a file."""
    return sha256(repr(sorted(info.items())).encode()).hexdigest()


def _changed_at(info: dict[str, Any], url: str) -> float:
    changed = _first(info, CHANGES)
    if changed is None:
        raise SettingMissing(
            f"The folder '{_shown(url)}' does not tell when its files were changed, so that "
            "`quiet_seconds` cannot be kept. Leave it at 0, and move files there when they are "
            "whole."
        )
    return _epoch(changed)


def _epoch(changed: Any) -> float:
    """Return a time as seconds since 1970, whatever a file system makes of times."""
    if isinstance(changed, str):
        text = f"{changed[:8]}T{changed[8:14]}" if changed[:8].isdigit() else changed
        is_http = changed[:1].isalpha()
        moment = parsedate_to_datetime(text) if is_http else datetime.fromisoformat(text)
        changed = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return float(changed.timestamp() if hasattr(changed, "timestamp") else changed)
