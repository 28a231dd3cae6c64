"""Files of a folder or bucket, read by DuckDB: new and changed ones, each as a whole.

A file's rows are replaced together: a rewritten file's old rows go when its new ones are committed.
Which files are known stands in the raw table `_files`, in the same load package as the rows.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import dlt
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from loaders.accounting import tally
from loaders.columns import columns
from loaders.dispositions import REPLACE_KEYS
from loaders.drift import contracted
from loaders.raw_client import current_pipeline, sql_client
from loaders.readers.folder import find
from loaders.readers.formats import CsvOptions
from loaders.readers.staging import Staging
from loaders.side_table import add_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlt.common.schema.typing import TColumnSchema, TSchemaContract
    from dlt.extract import DltResource

    from loaders.readers.folder import Format

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
    known = _known(table)
    settled = time.time() - quiet_seconds if quiet_seconds else None
    filesystem, found = find(url, pattern, settled, format)
    _report_unknown(table, pattern, found.unknown)
    fresh = [file for file in found.files if known.get(file.path, ("", 0))[0] != file.version]
    _report_vanished(table, sorted(known.keys() - found.paths))
    if not fresh:
        return
    with Staging(table, columns, filesystem, csv) as staging:
        for file in fresh:
            _, edition = known.get(file.path, ("", 0))
            staging.read(file, edition + 1)
            if staging.count >= batch_size:
                yield from staging.hand_over()
        yield from staging.hand_over()


def _known(table: str) -> dict[str, tuple[str, int]]:
    """Return path, version and edition of each file whose load was committed."""
    pipeline = current_pipeline()
    schema = pipeline.dataset_name
    hints = dlt.current.source_schema().tables.get(FILES, {}).get("columns", {})
    edition = "coalesce(edition, 1)" if "edition" in hints else "1"
    sql = (
        f'select path, version, {edition} from "{schema}"._files as f join "{schema}"._dlt_loads '
        "as l on l.load_id = f._dlt_load_id and l.status = 0 where f.table_name = %s"
    )
    with sql_client(pipeline) as client:
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
