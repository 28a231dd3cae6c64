"""File in, SQL, file out: of any size, without holding it in memory."""

from __future__ import annotations

from dataclasses import dataclass
from glob import escape, glob
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from loaders.errors import LoaderError
from loaders.readers.feed import Unreadable, check_whole
from loaders.senders.copying import Layout, escaped
from loaders.senders.places import place
from loaders.senders.watched import watched

if TYPE_CHECKING:
    from collections.abc import Callable

READERS = {
    ".csv": "read_csv('{path}', sample_size = 100000, allow_quoted_nulls = false{rejects})",
    ".tsv": "read_csv('{path}', delim = '\t', sample_size = 100000, "
    "allow_quoted_nulls = false{rejects})",
    ".jsonl": "read_json('{path}', format = 'newline_delimited')",
    ".ndjson": "read_json('{path}', format = 'newline_delimited')",
    ".json": "read_json('{path}')",
    ".parquet": "read_parquet('{path}')",
}
WRITERS = {
    ".csv": Layout(format="csv", compression="none"),
    ".csv.gz": Layout(format="csv", compression="gzip"),
    ".csv.zst": Layout(format="csv", compression="zstd"),
    ".jsonl": Layout(format="jsonl", compression="none"),
    ".jsonl.gz": Layout(format="jsonl", compression="gzip"),
    ".jsonl.zst": Layout(format="jsonl", compression="zstd"),
    ".parquet": Layout(format="parquet", compression="zstd"),
}
MEMORY = "256MB"
"""What DuckDB may hold in memory; what needs more (a sort, a join) goes to disk beside the file."""


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What came of it."""

    source: str
    to: str
    rows: int
    rejected: int
    """Lines of a CSV that could not be read; they are in the file named by `rejects`."""
    bytes: int
    seconds: float


def convert(
    source: str,
    to: str,
    *,
    sql: str = "select * from input",
    rejects: str | None = None,
    on_progress: Callable[[int, int], object] | None = None,
) -> Converted:
    """Read a file, run SQL over it, write a file; the end of a name says what it is.

    Args:
        source: a path (`*` stands for several files) or any URL that fsspec knows.
        to: a path or URL; it appears when it is whole.
        sql: a select over the table `input`.
        rejects: a CSV file for the lines that cannot be read; without it, one such line fails.
        on_progress: called with hundredths done and 100.

    Raises:
        LoaderError: the source, the SQL or a line cannot be read, or the file cannot be written.
    """
    started = perf_counter()
    _writer(to)
    _template(source)
    _check_there(source)
    _check_whole(source)
    folder, _, name = to.rpartition("/")
    there = place(folder or ".")
    tell = on_progress or _silent
    with TemporaryDirectory() as scratch:
        path = there.aside(name, Path(scratch))
        rows, rejected = _copied(source, path, sql=sql, rejects=rejects, tell=tell)
        size = path.stat().st_size
        there.put(path, name)
    tell(100, 100)
    return Converted(
        source=source,
        to=to,
        rows=rows,
        rejected=rejected,
        bytes=size,
        seconds=perf_counter() - started,
    )


def _copied(
    source: str,
    path: Path,
    *,
    sql: str,
    rejects: str | None,
    tell: Callable[[int, int], object],
) -> tuple[int, int]:
    """Run the one statement that does it all; return rows written and lines rejected."""
    import duckdb

    with (
        TemporaryDirectory(dir=path.parent, prefix=".convert-") as spill,
        duckdb.connect() as engine,
    ):
        engine.execute(f"set memory_limit = '{MEMORY}'")
        engine.execute(f"set temp_directory = '{escaped(spill)}'")
        try:
            engine.execute(f"create view input as from {_reader(engine, source, rejects)}")
            with watched(engine, lambda share: tell(int(share * 100), 100)):
                copy = f"copy ({sql.rstrip().rstrip(';')}) to '{escaped(str(path))}'"
                found = engine.execute(f"{copy} ({_writer(path.name).options})").fetchall()
            return int(found[0][0]), _write_rejects(engine, rejects)
        except duckdb.Error as error:
            path.unlink(missing_ok=True)
            raise _explained(source, error, rejects) from error


def _check_there(source: str) -> None:
    """Look for a local source: DuckDB says what it tried, and not what is wrong."""
    if len(urlsplit(source).scheme) <= 1 and not _local(source):
        raise LoaderError(
            f"Cannot convert '{source}': there is no such file. Check its path, which counts from "
            f"'{Path.cwd()}'."
        )


def _check_whole(source: str) -> None:
    """Look for the end of local compressed files: DuckDB takes a gzip that is cut off for whole."""
    for path in _local(source):
        try:
            check_whole(path)
        except Unreadable as error:
            raise LoaderError(
                f"Cannot convert '{path}': it is cut off ({error}). Fetch it anew."
            ) from error


def _reader(engine: Any, source: str, rejects: str | None) -> str:
    """Return the table function that reads the source."""
    scheme = urlsplit(source).scheme
    if len(scheme) > 1:
        import fsspec

        engine.register_filesystem(fsspec.filesystem(scheme))
    stored = ", store_rejects = true" if rejects else ""
    is_one = Path(source).is_file()  # whatever signs of a pattern its name has
    path = escape(source) if is_one else source
    return _template(source).format(path=escaped(path), rejects=stored)


def _template(source: str) -> str:
    plain = source.lower().removesuffix(".gz").removesuffix(".zst")
    reader = READERS.get(Path(plain).suffix)
    if reader is None:
        raise LoaderError(
            f"Cannot read '{source}': its name does not say what it is. Known endings: "
            f"{', '.join(READERS)}, each also with .gz or .zst."
        )
    return reader


def _local(source: str) -> list[Path]:
    """Return the files here that a source names."""
    if Path(source).is_file():
        return [Path(source)]
    return [Path(path) for path in sorted(glob(source))]  # noqa: PTH207 - a pattern of any folder


def _writer(name: str) -> Layout:
    for ending in sorted(WRITERS, key=len, reverse=True):
        if name.lower().removesuffix(".tmp").endswith(ending):
            return WRITERS[ending]
    raise LoaderError(
        f"Cannot write '{name}': its name does not say what it is. Known endings: "
        f"{', '.join(WRITERS)}."
    )


def _write_rejects(engine: Any, rejects: str | None) -> int:
    if not rejects:
        return 0
    engine.execute(
        "copy (select line, column_name, error_type, csv_line, error_message from reject_errors "
        f"order by line) to '{escaped(rejects)}' (format csv, header true)"
    )
    counted = engine.execute("select count(distinct line) from reject_errors").fetchall()
    return int(counted[0][0])


def _explained(source: str, error: Exception, rejects: str | None) -> LoaderError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = " ".join(lines[:3]).rstrip(".")
    advice = "Check the file and the SQL."
    if "CSV Error" in reason and not rejects:
        advice = "To go on without such lines and keep them in a file, name one: --rejects."
    return LoaderError(f"Cannot convert '{source}': {reason}. {advice}")


def _silent(_done: int, _total: int) -> None:
    pass
