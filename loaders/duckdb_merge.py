"""A DuckDB destination that merges straight from a load's Parquet files.

dlt copies the files into a staging table first and merges from there: each row is written and
compressed twice. Here the copy is left out, and the merge reads the files, which stay in the load
package until it is complete; so it may be run again as often as need be.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import dlt
import duckdb
import pyarrow.parquet as pq
from dlt.common.destination.client import HasFollowupJobs, RunnableLoadJob
from dlt.common.storages.load_package import ParsedLoadJobFileName
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from dlt.destinations.impl.duckdb.duck import DuckDbClient

from loaders import rewritten
from loaders.columns import literal, quoted
from loaders.resolved import Resolved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlt.common.destination.client import FollowupJobRequest, LoadJob
    from dlt.common.destination.typing import PreparedTableSchema
    from dlt.common.storages.load_package import LoadJobInfo

MEMORY_LIMIT = "340MB"
"""What DuckDB may hold of the warehouse while rows stream through it."""
WIDE_COLUMNS = 60
LARGE_ROW, LARGE_FILE = 10_000, 10_000_000
"""Bytes."""
ORDERED = "set preserve_insertion_order = {};\n"
"""A merge need not keep the order of rows; kept, the checkpoint writes most of them once more."""
ALIAS = re.compile(r"(?<= )d(?= WHERE | USING )|\bd(?=\.\")")
"""dlt's name for the table that is merged into: a JSON column named so would be looked into."""
COMPLETED = "completed_jobs"
STARTED = "started_jobs"


class LeftToMerge(RunnableLoadJob, HasFollowupJobs):
    """The job of a file that the merge reads itself.

    dlt waits a second for jobs that are done when they are made; this one ends as others do.
    """

    def run(self) -> None:
        """Do nothing."""


class MergingClient(DuckDbClient):
    """dlt's client for DuckDB, whose merges read Parquet files in place of staging tables."""

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        """Return a job; one that has nothing to do for a file that the merge reads itself.

        One that is tried again may have had too little memory.
        """
        if ParsedLoadJobFileName.parse(file_path).retry_count:
            self._unbind()
        if file_path.endswith(".parquet") and self._is_merged(table):
            return LeftToMerge(file_path)
        return super().create_load_job(table, file_path, load_id, restore)

    def create_table_chain_completed_followup_jobs(
        self,
        table_chain: Sequence[PreparedTableSchema],
        completed_table_chain_jobs: Sequence[LoadJobInfo] | None = None,
    ) -> list[FollowupJobRequest]:
        """Return the jobs that merge, reading each table's Parquet files."""
        files = {
            str(table["name"]): _files(str(table["name"]), completed_table_chain_jobs or ())
            for table in table_chain
            if table["write_disposition"] == "merge"
        }
        if any(_is_wide(_here(path)) for paths in files.values() for path in paths):
            self._unbind()
        chain = [self._undoubled(table, files.get(str(table["name"]), [])) for table in table_chain]
        jobs = super().create_table_chain_completed_followup_jobs(chain, completed_table_chain_jobs)
        for name, paths in files.items():
            for job in jobs if paths else ():
                self._read_files(Path(job.new_file_path()), name, paths)
        return jobs

    def complete_load(self, load_id: str) -> None:
        """Record a load as committed, together with what it replaces."""
        rewritten.commit(self, load_id, super().complete_load)

    def _undoubled(self, table: PreparedTableSchema, files: Sequence[str]) -> PreparedTableSchema:
        """Return a table, marked when no key occurs twice: the merge need not sort wide rows then.

        A sort of millions of wide rows is what takes memory.
        """
        keys = [n for n, column in table["columns"].items() if column.get("primary_key")]
        with self.sql_client.with_staging_dataset():
            staging = self.sql_client.make_qualified_table_name(str(table["name"]))
        if not keys or not files:
            return table
        names = ", ".join(map(quoted, keys))
        rows = _rows([_here(path) for path in files])
        doubled = f"select 1 from {rows} group by {names} having count(*) > 1 limit 1"
        with self.sql_client as client:
            for sql in (f"select 1 from {staging} limit 1", doubled):
                if client.execute_sql(sql):
                    self._unbind()
                    return table
        marked: Any = {**table, "x-stage-data-deduplicated": True}
        return cast("PreparedTableSchema", marked)

    def _unbind(self) -> None:
        """Give the next connections what memory DuckDB takes by default.

        A sort, or rows that are very wide, need what they need.
        """
        credentials: Any = self.config.credentials
        credentials.global_config = {"memory_limit": default_memory()}

    def _is_merged(self, table: PreparedTableSchema) -> bool:
        return bool(table["write_disposition"] == "merge")

    def _read_files(self, script: Path, table: str, files: Sequence[str]) -> None:
        """Put a table's files beside its staging table, which is empty and knows the types."""
        with self.sql_client.with_staging_dataset():
            staging = self.sql_client.make_qualified_table_name(table)
        both = f"(select * from {staging} union all by name select * from {_rows(files)})"
        sql = ALIAS.sub("_dlt_merged", script.read_text()).replace(staging, both)
        script.write_text(f"{ORDERED.format('false')}{sql}\n{ORDERED.format('true')}")


class merging_duckdb(Resolved, dlt.destinations.duckdb):  # noqa: N801  named as dlt names destinations
    """dlt's DuckDB destination, with MergingClient."""

    @property
    def client_class(self) -> Any:
        """The client."""
        return MergingClient


def duckdb_at(path: Path) -> merging_duckdb:
    """Return the destination for a DuckDB file."""
    credentials = DuckDbCredentials(str(path))
    # the order of rows must be kept: a file's lines are numbered as DuckDB reads them
    credentials.global_config = {"memory_limit": MEMORY_LIMIT}
    return merging_duckdb(credentials, destination_name="duckdb")


def _is_wide(path: str) -> bool:
    """Return whether a Parquet file has rows that need more memory than the usual ones."""
    found = pq.read_metadata(path)
    size = sum(found.row_group(n).total_byte_size for n in range(found.num_row_groups))
    is_large = size > max(LARGE_FILE, LARGE_ROW * found.num_rows)
    return bool(found.num_rows and (found.num_columns > WIDE_COLUMNS or is_large))


def default_memory() -> str:
    """Return what DuckDB may hold in memory when it is not told, as its settings have it."""
    with duckdb.connect() as fresh:
        return str(fresh.execute("select current_setting('memory_limit')").fetchall()[0][0])


def _files(table: str, jobs: Sequence[LoadJobInfo]) -> list[str]:
    """Return where a table's Parquet files are once their jobs are completed."""
    found = [Path(j.file_path) for j in jobs if j.job_file_info.table_name == table]
    return [str(f.parent.parent / COMPLETED / f.name) for f in found if f.suffix == ".parquet"]


def _here(path: str) -> str:
    """Return where a file is now: the last one has yet to be moved to the completed ones."""
    found = Path(path)
    return path if found.exists() else str(found.parent.parent / STARTED / found.name)


def _rows(files: Sequence[str]) -> str:
    return f"read_parquet([{', '.join(map(literal, files))}], union_by_name=true)"
