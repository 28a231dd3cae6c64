"""Columns that are declared otherwise than their raw table has them: changed or added there first.

Left alone, the warehouse would round 2.5 into a column of whole numbers, or break off the load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import psycopg2

from loaders.columns import DUCKDB_TYPES, duckdb_type, quoted, word
from loaders.errors import TableStopped
from loaders.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlt import Pipeline
    from dlt.common.schema.typing import TColumnSchema, TTableSchemaColumns

    from loaders.connection import Connection
    from loaders.warehouse import Target


def retype(pipeline: Pipeline, judged: Mapping[str, Shape], target: Target) -> list[str]:
    """Give raw tables the columns and types that are declared now; return what to tell of it.

    Args:
        pipeline: the source's.
        judged: the shapes of tables that declare columns.
        target: the warehouse.

    Raises:
        TableStopped: a value that is there does not fit the new type. Nothing was changed.
    """
    stored = pipeline.schemas.get(pipeline.pipeline_name)
    notices = []
    for name, shape in judged.items():
        there = stored.tables.get(name, {}).get("columns", {}) if stored else {}
        declared = shape.hints
        added = [
            c for c, hint in declared.items() if there and c not in there and "data_type" in hint
        ]
        for column in added:
            _Change(pipeline, target, name, declared[column], declared[column]).add()
            if not column.startswith("_"):
                text = f" has a new column '{column}' ({word(declared[column])})."
                notices.append(f"{pipeline.pipeline_name}.{name}{text}")
        for column in changed(there, declared):
            _Change(pipeline, target, name, there[column], declared[column]).make()
            was, now = word(there[column]), word(declared[column])
            text = f"{pipeline.pipeline_name}.{name}: '{column}' was {was} and is {now} now."
            notices.append(text)
    return notices


def changed(there: TTableSchemaColumns, declared: Mapping[str, TColumnSchema]) -> list[str]:
    """Return the columns that are declared otherwise than they are."""
    return [
        name
        for name, hint in declared.items()
        if hint.get("data_type") in DUCKDB_TYPES
        and there.get(name, {}).get("data_type") in DUCKDB_TYPES
        and duckdb_type(hint) != duckdb_type(there[name])
    ]


class _Change:
    """One column on its way from one type to another."""

    def __init__(self, pipeline: Pipeline, target: Target, table: str, old: Any, new: Any) -> None:
        self.pipeline = pipeline
        self.target = target
        self.table = table
        self.column = str(new["name"])
        self.old, self.new = word(old), word(new)
        self.kind = duckdb_type(new)
        with pipeline.destination_client() as client:
            types = client.type_mapper  # type: ignore[attr-defined]
            self.is_type, self.be_type = (
                str(types.to_destination_type(hint, {"name": table})) for hint in (old, new)
            )

    @property
    def place(self) -> str:
        return f"{quoted(self.pipeline.dataset_name)}.{quoted(self.table)}"

    def add(self) -> None:
        with self.target.connect() as connection:
            connection.execute(
                f"alter table {self.place} add column if not exists {quoted(self.column)} "
                f"{self.be_type}"
            )

    def make(self) -> None:
        place = self.place
        with self.target.connect() as connection:
            try:
                if (example := self._misfit(connection, place)) is not None:
                    raise self._refusal(f"its rows hold '{example}'")
                self._alter(connection, place)
                staging = f"{self.pipeline.dataset_name}_staging"
                if self.column in connection.columns(staging, self.table):
                    # emptied, not dropped: dlt would not make it again for a shape it knows
                    at = f"{quoted(staging)}.{quoted(self.table)}"
                    connection.execute(f"delete from {at}")
                    self._alter(connection, at)
            except (duckdb.Error, psycopg2.Error) as error:
                raise self._refusal(str(error).strip().splitlines()[0]) from error

    def _alter(self, connection: Connection, place: str) -> None:
        name = quoted(self.column)
        connection.execute(
            f"alter table {place} alter column {name} type {self.be_type} "
            f"using cast({name} as {self.be_type})"
        )

    def _misfit(self, connection: Connection, place: str) -> Any:
        """Return a value that the new type cannot hold as it is, None if there is none."""
        name = quoted(self.column)
        if connection.kind == "duckdb":
            connection.execute("set TimeZone = 'UTC'")
        if self.old != "text":
            again = f"cast(cast({name} as {self.be_type}) as {self.is_type})"
            doubt = f"{again} is distinct from {name}"
        elif connection.kind == "duckdb":
            shape = Shape(table=self.table, types={self.column: self.kind}, key=())
            doubt = f"({shape.cast(self.column, {self.column: name})}) is null"
        else:  # PostgreSQL itself tells while it casts
            return None
        sql = f"select {name} from {place} where {name} is not null and {doubt} limit 1"
        return connection.scalar(sql)

    def _refusal(self, reason: str) -> TableStopped:
        source = self.pipeline.pipeline_name
        return TableStopped(
            f"The table '{source}.{self.table}' stopped: its column '{self.column}' is declared as "
            f"{self.new}, and the raw table has it as {self.old}, which cannot be changed: "
            f"{reason}. Nothing was changed. Declare it as {self.old} and cast it in its staging "
            "model, or put what stands in the way right and load again; a view of PostgreSQL's "
            "that does (`drop view … cascade`) is made anew by `tidemill transform`.",
            table=self.table,
        )
