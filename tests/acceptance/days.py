"""Some days of the demo shop, run by the command line, and what stood where after each of them."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from demo.truth import truth

if TYPE_CHECKING:
    from pathlib import Path

    from loaders.warehouse import Target

SCHEMAS = ("raw_", "staging", "quarantine", "marts", "outputs")
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What stood where after one run."""

    tables: dict[str, tuple[tuple[str, ...], Rows]]
    """`schema.table` to its columns and all its rows, in an order of their own."""
    crm: Rows
    """The CRM's contacts, and how often each was applied or refused."""
    exported: bytes
    """The exported file."""

    def rows(self, table: str, columns: list[str] | None = None) -> Rows:
        """Return a table's rows, or these columns of them."""
        names, rows = self.tables[table]
        if columns is None:
            return rows
        places = [names.index(column) for column in columns]
        return ordered([tuple(row[place] for place in places) for row in rows])

    def fingerprint(self) -> dict[str, str]:
        """Return a hash of each table's whole content."""
        return {
            name: hashlib.sha256(repr(content).encode()).hexdigest()
            for name, content in self.tables.items()
        }


def look(target: Target, *, var: Path, shop: Path) -> Snapshot:
    """Look at everything as it is now."""
    return Snapshot(
        tables=tables(target),
        crm=contacts(shop / "crm.sqlite"),
        exported=(var / "exports" / "agg_daily_sales.csv.gz").read_bytes(),
    )


def expected(shop: Path, day: int) -> dict[str, tuple[list[str], Rows]]:
    """Return what must be where after that day: the truth's tables, their columns and rows."""
    with truth(shop, day) as connection:
        names = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'truth'"
        ).fetchall()
        return {name: _read(connection, f"truth.{name}") for (name,) in names}


def tables(target: Target) -> dict[str, tuple[tuple[str, ...], Rows]]:
    """Read every table of the schemas that a person may look at."""
    with target.connect() as connection:
        found = connection.execute(
            "select table_schema, table_name from information_schema.tables order by 1, 2"
        ).fetchall()
        return {
            f"{schema}.{table}": (
                tuple(connection.columns(schema, table)),
                ordered(connection.execute(f'select * from "{schema}"."{table}"').fetchall()),
            )
            for schema, table in found
            if schema.startswith(SCHEMAS) and "_dlt_" not in table and "_staging" not in schema
        }


def contacts(path: Path) -> Rows:
    """Read the CRM's contacts as it keeps them."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as crm:
        found = crm.execute(
            "select id, data, upserts, deletes, refusals "
            "from applications left join contacts using (id)"
        ).fetchall()
    crm.close()
    return ordered(found)


def ordered(rows: Rows) -> Rows:
    """Return rows in an order that does not depend on where they came from."""
    return sorted(rows, key=lambda row: tuple(map(str, row)))


def _read(connection: Any, table: str) -> tuple[list[str], Rows]:
    found = connection.execute(f"select * from {table}")
    return [column[0] for column in found.description], ordered(found.fetchall())
