"""Ways to bring a file into a warehouse: the bare engine, ours, and what else is installed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dlt.extract import DltSource

ROWS = (
    "select i as id, 'user' || (i % 100000) as name, md5(i::varchar) as token, "
    "i * 7919 % 1000003 as quantity, round((i % 100000) / 7.0, 2)::decimal(18, 2) as price, "
    "i % 2 = 0 as is_new, timestamp '2026-01-01' + to_seconds(i % 86400 * 30) as sold_at, "
    "date '2026-01-01' + (i % 365)::integer as sold_on, (i % 1000) / 3.0 as share, "
    "case when i % 10 <> 0 then 'note, with a comma ' || i end as note from range({rows}) as t(i)"
)
TYPES = {
    "id": "bigint",
    "name": "text",
    "token": "text",
    "quantity": "bigint",
    "price": "decimal(18, 2)",
    "is_new": "boolean",
    "sold_at": "timestamp",
    "sold_on": "date",
    "share": "double",
    "note": "text",
}
HOW = {
    "csv": "header",
    "csv.gz": "header, compression gzip",
    "jsonl.gz": "format json, compression gzip",
    "parquet": "format parquet",
}
READERS = {"csv": "read_csv", "csv.gz": "read_csv", "jsonl.gz": "read_json"}


def limit(source: Path, folder: Path, dsn: str) -> None:
    """Let the bare engine do it."""
    if dsn:
        import psycopg2

        types = ", ".join(f"{name} {kind}" for name, kind in TYPES.items()).replace(
            "double", "double precision"
        )
        with psycopg2.connect(dsn) as connection, source.open("rb") as file:
            cursor = connection.cursor()
            cursor.execute(f"drop table if exists bare; create table bare ({types})")
            cursor.copy_expert("copy bare from stdin (format csv, header)", file, size=1 << 20)
        return
    import duckdb

    with duckdb.connect(str(folder / "limit.duckdb")) as warehouse:
        warehouse.execute(f"create table bare as {bare(source)}")


def bare(source: Path) -> str:
    """Return the SQL by which the bare engine reads a file."""
    reader = READERS.get(source.name.split(".", 1)[1], "read_parquet")
    return f"select * from {reader}('{source}')"


def bench(folder: Path) -> DltSource:
    """Return the source whose one table is the files of a folder."""
    import dlt

    from loaders.columns import columns
    from loaders.readers.files import files

    @dlt.source(name="bench")
    def source() -> Any:
        return files("sales", str(folder), columns=columns(**TYPES))

    return source()


def ours(source: Path, folder: Path, dsn: str) -> None:
    """Load the folder that holds the file."""
    from loaders.load import load
    from loaders.warehouse import Target

    path = folder / "warehouse.duckdb"
    duck = Target(name="duckdb", kind="duckdb", path=path)
    load(bench(source.parent), target=Target(name="pg", kind="postgres", dsn=dsn) if dsn else duck)


def dlt_default(source: Path, folder: Path, dsn: str) -> None:
    """Let dlt load dicts by its defaults, which is what its `filesystem | read_csv` gives it."""
    import csv
    from itertools import islice

    import dlt

    assert not dsn
    pipeline = dlt.pipeline(
        "plain",
        pipelines_dir=str(folder / "plain"),
        destination=dlt.destinations.duckdb(str(folder / "plain.duckdb")),
        dataset_name="raw",
    )
    with source.open(newline="") as file:
        rows = csv.DictReader(file)
        pages = iter(lambda: list(islice(rows, 10_000)), [])
        pipeline.run(dlt.resource(pages, name="sales"))


def ours_again(source: Path, folder: Path, dsn: str) -> None:
    """Load the folder as `ours`, into a raw table that is there, as on all days but the first."""
    ours(source, folder, dsn)


def dlt_arrow(source: Path, folder: Path, dsn: str) -> None:
    """Let dlt load Arrow batches of pyarrow's CSV reader: misfits fail, lines are not numbered."""
    import dlt
    from pyarrow import csv

    assert not dsn
    pipeline = dlt.pipeline(
        "plain",
        pipelines_dir=str(folder / "plain"),
        destination=dlt.destinations.duckdb(str(folder / "plain.duckdb")),
        dataset_name="raw",
    )
    pipeline.run(dlt.resource(csv.open_csv(source), name="sales"), loader_file_format="parquet")


def polars(source: Path, folder: Path, dsn: str) -> None:
    """Let polars read the file, and DuckDB take its frame: misfits fail."""
    import duckdb
    import polars as pl

    assert not dsn
    frame = pl.read_csv(source).to_arrow()
    with duckdb.connect(str(folder / "polars.duckdb")) as warehouse:
        warehouse.register("frame", frame)
        warehouse.execute("create table sales as select * from frame")


def sling(source: Path, folder: Path, dsn: str) -> None:
    """Let Sling do it."""
    there = f"postgresql{dsn[dsn.index(':') :]}" if dsn else f"duckdb://{folder / 'sling.duckdb'}"
    table = "public.sales" if dsn else "main.sales"
    subprocess.run(
        [
            *("sling", "run", "--mode", "full-refresh"),
            *("--src-stream", f"file://{source}"),
            *("--tgt-conn", there, "--tgt-object", table),
        ],
        check=True,
        stdout=sys.stderr,
    )


def ingestr(source: Path, folder: Path, dsn: str) -> None:
    """Let ingestr do it: as text where it sees no time, and without each 1,001st row of a CSV."""
    assert not dsn
    subprocess.run(
        [
            *("ingestr", "ingest", "--yes", "--source-table", "sales", "--dest-table", "raw.sales"),
            *("--source-uri", f"csv://{source}"),
            *("--dest-uri", f"duckdb:///{folder / 'ingestr.duckdb'}"),
        ],
        check=True,
        stdout=sys.stderr,
        env={  # nothing of ours, which would be dlt's configuration
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "DISABLE_TELEMETRY": "true",
            "RUNTIME__DLTHUB_TELEMETRY": "false",
        },
        cwd=folder,
    )


CONTENDERS: dict[str, Callable[[Path, Path, str], None]] = {
    "limit": limit,
    "ours": ours,
    "ours, table there": ours_again,
    "dlt, Arrow": dlt_arrow,
    "polars and DuckDB": polars,
    "Sling": sling,
    "ingestr": ingestr,
    "dlt default": dlt_default,
}


def absent() -> list[str]:
    """Return which contenders are not installed here."""
    found = {
        "polars and DuckDB": importlib.util.find_spec("polars"),
        "Sling": shutil.which("sling"),
        "ingestr": shutil.which("ingestr"),
    }
    return [name for name, where in found.items() if where is None]
