"""Files of a folder or bucket, read by DuckDB: new and changed ones, each as a whole.

A file's rows are replaced together: a rewritten file's old rows go when its new ones are committed.
Which files are known stands in the raw table `_files`, in the same load package as the rows.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import dlt
import fsspec
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from loaders.accounting import tally
from loaders.columns import columns
from loaders.dispositions import REPLACE_KEYS
from loaders.drift import contracted
from loaders.errors import SettingMissing, SourceUnreachable
from loaders.readers.formats import CsvOptions, kind_of
from loaders.readers.staging import Staging
from loaders.side_table import add_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlt.common.schema.typing import TColumnSchema, TSchemaContract
    from dlt.extract import DltResource
    from fsspec import AbstractFileSystem

FILES: Final = "_files"
FILES_HINTS: Final[dict[str, Any]] = {
    "columns": columns(
        path="text",
        table_name="text",
        version="text",
        edition="bigint",
        size_bytes="bigint",
        count_read="bigint",
        count_rejected="bigint",
    ),
    "primary_key": ("table_name", "path"),
    "write_disposition": REPLACE_KEYS,
}
PLACE: Final = columns(_file="text", _line="bigint")
ROWS_AT_ONCE: Final = 500_000
EVERYTHING: Final = "**"
Format = Literal["csv", "json", "jsonl", "parquet"]


@dataclass(frozen=True, kw_only=True)
class File:
    """One file as it is now."""

    path: str
    """Below the folder; stored with the rows."""
    place: str
    """Where it is opened: a whole path or URL."""
    kind: str
    """`csv`, `json`, `jsonl` or `parquet`."""
    size: int
    """Bytes."""
    version: str
    """Changes with the content: etag, or modification time and size."""


def files(
    name: str,
    url: str,
    *,
    pattern: str = EVERYTHING,
    columns: dict[str, TColumnSchema],
    csv: CsvOptions | None = None,
    format: Format | None = None,  # noqa: A002  as DuckDB and others call it
    quiet_seconds: float = 0,
    batch_size: int = ROWS_AT_ONCE,
    schema_contract: TSchemaContract | None = None,
) -> DltResource:
    """Return a resource of all rows in the new and changed files of a folder.

    Args:
        name: the raw table's name.
        url: folder, as a path or any fsspec URL.
        pattern: which files below it, as a glob; endings tell the format (csv, tsv, jsonl,
            ndjson, json, parquet, each also .gz or .zst).
        columns: declared columns (`loaders.columns.columns`); others arrive as text. Each row
            also has `_file` (path below the folder) and `_line` (from 1, the header included; of
            an array of JSON the place in it).
        csv: delimiter, quote, encoding, header, decimal comma of the CSV files.
        format: `csv`, `json`, `jsonl` or `parquet`: of files whose ending does not tell.
        quiet_seconds: a file changed less than this ago is left for the next load.
        batch_size: rows handed over at once; bounds memory and what a failure can cost.
        schema_contract: what a new column does; EVOLVE, FREEZE or QUARANTINE of `loaders.drift`.
    """
    resource = dlt.resource(
        _rows,
        name=name,
        columns={**columns, **PLACE},
        write_disposition="append",  # a rewritten file's old rows are deleted before
    )
    made: DltResource = resource(
        name, url, pattern, columns, csv or CsvOptions(), format, quiet_seconds, batch_size
    )
    add_table(made, FILES, FILES_HINTS)
    return contracted(made, schema_contract)


def _rows(
    table: str,
    url: str,
    pattern: str,
    columns: dict[str, TColumnSchema],
    csv: CsvOptions,
    format: Format | None,  # noqa: A002
    quiet_seconds: float,
    batch_size: int,
) -> Iterator[Any]:
    """Read what is new; the caller is dlt."""
    filesystem, root = open_folder(url)
    known = _known(table)
    settled = time.time() - quiet_seconds
    found, unknown = find(filesystem, root, pattern, settled, format)
    _report_unknown(table, pattern, unknown)
    fresh = [file for file in found if known.get(file.path, ("", 0))[0] != file.version]
    _report_vanished(table, sorted(known.keys() - {file.path for file in found}))
    if not fresh:
        return
    with Staging(table, columns, filesystem, csv) as staging:
        for file in fresh:
            _, edition = known.get(file.path, ("", 0))
            staging.read(file, edition + 1)
            if staging.count >= batch_size:
                yield from staging.hand_over()
        yield from staging.hand_over()


def open_folder(url: str) -> tuple[AbstractFileSystem, str]:
    """Return the file system of a folder and the folder's path in it.

    Raises:
        SettingMissing: no folder is given.
        SourceUnreachable: there is no such folder.
    """
    if not url.strip():  # it would be read as the current folder
        raise SettingMissing(
            "The setting `url` of a folder of files is empty. Set it in .dlt/config.toml, or by "
            f"the variable {_variable()}."
        )
    filesystem, root = fsspec.core.url_to_fs(url)
    try:
        if filesystem.isdir(root):
            return filesystem, str(root)
    except OSError as error:
        raise SourceUnreachable(f"Cannot read the folder '{url}': {error}.") from error
    raise SourceUnreachable(
        f"Cannot read the folder '{url}': it does not exist. Check the source's `url` in "
        f".dlt/config.toml, or the variable {_variable()}."
    )


def _variable() -> str:
    return f"SOURCES__{dlt.current.source_schema().name.upper()}__URL"


def find(
    filesystem: AbstractFileSystem,
    root: str,
    pattern: str,
    settled: float,
    format: Format | None = None,  # noqa: A002
) -> tuple[list[File], list[str]]:
    """Return the files below a folder that can be read, and the paths of others, by path.

    Args:
        filesystem: where the folder is.
        root: the folder's path.
        pattern: which files below it.
        settled: files changed after this time (epoch seconds) are left out.
        format: of files whose ending does not tell.
    """
    found = filesystem.glob(f"{root.rstrip('/')}/{pattern}", detail=True)
    there = {path: info for path, info in sorted(found.items()) if info["type"] == "file"}
    kinds = {path: kind_of(path) or format for path in there}
    return [
        _file(filesystem, root, path, info, kind)
        for path, info in there.items()
        if (kind := kinds[path]) and _changed_at(info) <= settled
    ], [path for path, kind in kinds.items() if not kind]


def _file(
    filesystem: AbstractFileSystem, root: str, path: str, info: dict[str, Any], kind: str
) -> File:
    version = info.get("ETag") or info.get("etag") or f"{_changed_at(info)}-{info['size']}"
    return File(
        path=path[len(root.rstrip("/")) + 1 :],
        place=path if _is_local(filesystem) else filesystem.unstrip_protocol(path),
        kind=kind,
        size=int(info["size"] or 0),
        version=str(version),
    )


def _is_local(filesystem: AbstractFileSystem) -> bool:
    return "file" in filesystem.protocol


def _changed_at(info: dict[str, Any]) -> float:
    changed = info.get("mtime") or info.get("LastModified") or info.get("updated") or 0
    return float(changed.timestamp() if hasattr(changed, "timestamp") else changed)


def _known(table: str) -> dict[str, tuple[str, int]]:
    """Return path, version and edition of each file whose load was committed."""
    pipeline = dlt.current.pipeline()
    schema = pipeline.dataset_name
    hints = dlt.current.source_schema().tables.get(FILES, {}).get("columns", {})
    edition = "coalesce(edition, 1)" if "edition" in hints else "1"
    sql = (
        f'select path, version, {edition} from "{schema}"._files as f join "{schema}"._dlt_loads '
        "as l on l.load_id = f._dlt_load_id and l.status = 0 where f.table_name = %s"
    )
    with pipeline.sql_client() as client:
        try:
            rows = client.execute_sql(sql, table) or []
            return {str(path): (str(version), int(edition)) for path, version, edition in rows}
        except DatabaseUndefinedRelation:
            return {}


def _report_unknown(table: str, pattern: str, paths: list[str]) -> None:
    names = [name for path in paths if not (name := path.rsplit("/", 1)[-1]).startswith((".", "_"))]
    if names and pattern != EVERYTHING:
        are = "1 file has" if len(names) == 1 else f"{len(names)} files have"
        text = (
            f": {are} no ending that tells a format, such as '{names[0]}', and stayed unread. "
            "Say what they are: format='csv', 'json', 'jsonl' or 'parquet'."
        )
        tally().note(table, text)


def _report_vanished(table: str, paths: list[str]) -> None:
    if paths:
        are = "1 file is" if len(paths) == 1 else f"{len(paths)} files are"
        text = f": {are} no longer there, such as '{paths[0]}'; its rows stay."
        tally().note(table, text)
