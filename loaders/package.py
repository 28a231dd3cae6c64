"""dlt's load packages on disk: what a committed one held, and when it can go."""

from __future__ import annotations

import shutil
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
from dlt.common.storages.load_package import PackageStorage
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from loaders.accounting import STATE
from loaders.columns import literal, quoted
from loaders.drift import widened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from dlt import Pipeline
    from dlt.common.storages.load_package import LoadPackageInfo

    from loaders.shape import Shape

MEMORY_LIMIT: Final = "300MB"
DATA_FORMATS: Final = ("parquet", "csv", "insert_values", "typed-jsonl", "jsonl")
GOING: Final = "going"
"""Where packages are put aside while they are deleted."""


def committed(pipeline: Pipeline) -> list[str]:
    """Return the ids of the committed load packages that are still on disk, oldest first."""
    return sorted(pipeline.list_completed_load_packages())


def forget(pipeline: Pipeline, is_recorded: Callable[[str], bool]) -> None:
    """Delete committed packages whose counts stand in the caller's record, so none pile up."""
    for load_id in committed(pipeline):
        if is_recorded(load_id):
            _delete_whole(pipeline, Path("load", "loaded", load_id))
    shutil.rmtree(Path(pipeline.working_dir, GOING), ignore_errors=True)


def discard_spent(pipeline: Pipeline) -> None:
    """Delete extracted packages that are done with, which a kill left there, whole or in part.

    dlt renames the normalized package into its place and then deletes the extracted one file by
    file, as it does with an empty one; killed in between, it would normalize the same rows again,
    or miss a file that is gone.
    """
    done = {*pipeline.list_normalized_load_packages(), *pipeline.list_completed_load_packages()}
    for load_id in pipeline.list_extracted_load_packages():
        place = Path("normalize", "extracted", load_id)
        parts = (PackageStorage.SCHEMA_FILE_NAME, PackageStorage.NEW_JOBS_FOLDER)
        is_whole = all(Path(pipeline.working_dir, place, part).exists() for part in parts)
        if load_id in done or not is_whole:
            _delete_whole(pipeline, place)
    for folder in Path(pipeline.working_dir, "normalize").glob("*/"):
        if folder.name != "extracted":
            shutil.rmtree(folder)  # what was being extracted: it is read again


def mark_again(pipeline: Pipeline) -> None:
    """Take back the mark of packages that were loaded, marked, and killed before they were moved.

    dlt refuses to mark one twice; unmarked, it finds nothing left to load, marks and moves it.
    """
    normalized = Path(pipeline.working_dir, "load", "normalized")
    for mark in normalized.glob(f"*/{PackageStorage.PACKAGE_COMPLETED_FILE_NAME}"):
        mark.unlink()


def _delete_whole(pipeline: Pipeline, place: Path) -> None:
    """Delete a package so that nobody ever finds a part of it in its place."""
    going = Path(pipeline.working_dir, GOING, place.name)
    going.parent.mkdir(exist_ok=True)
    shutil.rmtree(going, ignore_errors=True)
    Path(pipeline.working_dir, place).rename(going)
    shutil.rmtree(going, ignore_errors=True)


def rewind(pipeline: Pipeline) -> None:
    """Let a package whose loading was cut off load its unfinished tables from their first file.

    A file that reached a table just before the end would stand there twice, and a merge that was
    already planned would be planned again and run beside itself. So the merge is dropped, what the
    load brought to the table (or its staging table) is deleted, and all its files are to be loaded.
    """
    for load_id in pipeline.list_normalized_load_packages():
        package = pipeline.get_load_package_info(load_id)
        open_jobs = [*package.jobs["new_jobs"], *package.jobs["started_jobs"]]
        tables = {
            job.job_file_info.table_name: package.schema.get_table(job.job_file_info.table_name)
            for job in open_jobs
            if job.job_file_info.file_format in DATA_FORMATS
            and "_dlt_load_id" in package.schema.get_table_columns(job.job_file_info.table_name)
        }
        for job in (*open_jobs, *package.jobs["completed_jobs"]):
            if job.job_file_info.table_name in tables:
                is_data = job.job_file_info.file_format in DATA_FORMATS
                _start_over(Path(package.package_path), Path(job.file_path), is_data=is_data)
        merged = {name for name, table in tables.items() if table["write_disposition"] == "merge"}
        _delete(pipeline, merged, is_staging=True)
        _delete(pipeline, tables.keys() - merged, f"where _dlt_load_id = {literal(load_id)}")


def _start_over(package: Path, job: Path, *, is_data: bool) -> None:
    (package / PackageStorage.PENDING_TRANSITIONS_FOLDER / job.name).unlink(missing_ok=True)
    if is_data:
        job.rename(package / PackageStorage.NEW_JOBS_FOLDER / job.name)
    else:
        job.unlink()


def _delete(
    pipeline: Pipeline, tables: Iterable[str], where: str = "", *, is_staging: bool = False
) -> None:
    with pipeline.sql_client() as client:
        place = client.with_staging_dataset() if is_staging else nullcontext()
        with place:
            for table in sorted(tables):
                with suppress(DatabaseUndefinedRelation):
                    name = client.make_qualified_table_name(table)
                    client.execute_sql(f"delete from {name} {where}")


def tallies(
    pipeline: Pipeline, load_id: str, shapes: Mapping[str, Shape]
) -> dict[str, dict[str, int]]:
    """Return what was counted of each table while a package was extracted.

    The rows that were sent, `distinct` by their key, are counted in the package's own files.
    """
    state: Any = pipeline.get_load_package_state(load_id)
    package = pipeline.get_load_package_info(load_id)
    return {
        table: {**counts, "distinct": _sent_rows(package, table, shapes.get(table), counts)}
        for table, counts in state.get(STATE, {}).items()
    }


def new_columns(package: LoadPackageInfo, source: str) -> Iterator[str]:
    """Yield a notice for each table that was there and that a load added columns to."""
    for name, table in package.schema_update.items():
        columns = table.get("columns", {})
        if "_dlt_load_id" in columns or name.startswith("_"):
            continue  # the table itself is new
        if columns:
            told = widened({n: str(hint.get("data_type")) for n, hint in columns.items()})
            yield f"{source}.{name} {told}"


def _sent_rows(
    package: LoadPackageInfo, table: str, shape: Shape | None, counts: Mapping[str, int]
) -> int:
    if counts.get("plain"):  # so many at most
        is_sent = any(
            job.job_file_info.table_name == table for job in package.jobs["completed_jobs"]
        )
        has_load = is_sent and "_dlt_load_id" in package.schema.get_table_columns(table)
        return counts["read"] if has_load else 0
    if counts.get("placed"):
        return counts["placed"]  # the warehouse read the source itself
    return _distinct_rows(package, table, shape)


def _distinct_rows(package: LoadPackageInfo, table: str, shape: Shape | None) -> int:
    files = [
        literal(str(Path(job.file_path)))
        for job in package.jobs["completed_jobs"]
        if job.job_file_info.table_name == table and job.job_file_info.file_format == "parquet"
    ]
    if not files:
        return 0
    key = ", ".join(map(quoted, shape.key)) if shape and shape.key else None
    rows = f"read_parquet([{', '.join(files)}], union_by_name=true)"
    sql = f"(select distinct {key} from {rows})" if key else rows
    spill = literal(str(Path(package.package_path) / "spill"))
    with duckdb.connect() as connection:  # keys of any number, in bounded memory
        connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'; set temp_directory = {spill}")
        found = connection.execute(f"select count(*) from {sql}").fetchone()
    return int(found[0]) if found else 0
