"""A raw table of PostgreSQL, for rows under the id of a load that is not committed yet."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from loaders.columns import quoted
from loaders.raw_client import destination_client

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dlt import Pipeline


class RawPostgres:
    """One raw table, which takes Arrow batches; each file of them is one transaction."""

    def __init__(self, pipeline: Pipeline, table: str) -> None:
        """Connect.

        Args:
            pipeline: dlt's, of the source.
            table: the raw table's name.
        """
        from adbc_driver_postgresql import dbapi

        client: Any = destination_client(pipeline)
        self.types = client.capabilities.get_type_mapper()
        self.sql = client.sql_client
        self.table = table
        self.name: str = self.sql.make_qualified_table_name(table)
        self.schema: str = self.sql.dataset_name
        self.sql.open_connection()
        uri = self.sql.credentials.to_native_representation()
        self.connection = dbapi.connect(uri)

    def close(self) -> None:
        """Disconnect."""
        self.connection.close()
        self.sql.close_connection()

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        """Run statements outside of the transaction of a file."""
        return list(self.sql.execute_sql(sql) or [])

    def columns(self) -> set[str]:
        """Return the columns that the table has."""
        sql = (
            "select column_name from information_schema.columns "
            "where table_schema = %s and table_name = %s"
        )
        return {str(name) for (name,) in self.sql.execute_sql(sql, self.schema, self.table) or []}

    def add(self, hints: Mapping[str, Any]) -> None:
        """Add columns of dlt hints."""
        of: Any = {"name": self.table, "columns": hints}
        added = [
            f"add column if not exists {quoted(name)} {self.types.to_destination_type(hint, of)}"
            for name, hint in hints.items()
        ]
        self.run(f"alter table {self.name} {', '.join(added)}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all that is sent in the block, or nothing of it."""
        try:
            yield
            self.connection.commit()
        except BaseException:
            self.connection.rollback()
            raise

    def send(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Send rows; return how many.

        Raises:
            Exception: what the batches raise, as it is.
        """
        failed: list[BaseException] = []
        counts: list[int] = []

        def watched() -> Iterator[pa.RecordBatch]:
            try:
                for batch in batches:
                    counts.append(batch.num_rows)
                    yield batch
            except BaseException as error:
                failed.append(error)  # the driver would tell its text only
                raise

        reader = pa.RecordBatchReader.from_batches(schema, watched())
        try:
            with self.connection.cursor() as cursor:
                cursor.adbc_ingest(self.table, reader, mode="append", db_schema_name=self.schema)
        except Exception:
            if failed:
                raise failed[0] from None
            raise
        return sum(counts)
