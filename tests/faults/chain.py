"""A shop and a warehouse that live through days: one chain undisturbed, its twin under fire."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil

from demo.shop import Shop
from loaders.connection import Connection, connect_duckdb, connect_postgres

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(__file__).resolve().parents[2]
RUN = [
    sys.executable,
    "-m",
    "orchestration",
    "run",
    "daily",
    "--retry-wait",
    "0.2",
    "--attempts",
    "3",
]
PATIENCE = 300
SCHEMAS = ("raw_", "staging", "intermediate", "marts", "quarantine", "outputs", "published")
MORTAL = (
    "_dlt",
    "load_id",
    "rejected_at",
    "reject_id",
    "version",
    "updated_load",
    "processed_at",
)
"""Columns that tell when a row came, and so differ between two histories of the same rows."""


@dataclass(kw_only=True)
class Chain:
    """A demo shop and a state directory; `with` keeps the shop open."""

    var: Path
    dsn: str | None = None
    """Of PostgreSQL; without one the warehouse is DuckDB."""
    scale: float = 0.1
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shop = Shop(self.var / "shop", scale=self.scale)

    def __enter__(self) -> Self:
        self.shop.__enter__()
        return self

    def __exit__(self, *trouble: object) -> None:
        self.shop.__exit__(*trouble)

    @property
    def environment(self) -> dict[str, str]:
        """What a run's process needs to know."""
        found = {
            **os.environ,
            **self.shop.environment(),
            "TIDEMILL_VAR": str(self.var),
            "TIDEMILL_TARGET": "postgres" if self.dsn else "duckdb",
            "OUTPUTS__SALES_FILES__URL": str(self.var / "exports"),
            **self.variables,
        }
        return {**found, "TIDEMILL_POSTGRES_DSN": self.dsn} if self.dsn else found

    def begin(self, command: list[str] | None = None) -> subprocess.Popen[str]:
        """Start a run in a process group of its own; its progress comes on standard error."""
        return subprocess.Popen(
            command or RUN,
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def complete(self, command: list[str] | None = None) -> str:
        """Run the job to its end and return what it told."""
        with self.begin(command) as run:
            _, told = run.communicate(timeout=PATIENCE)
        assert run.returncode == 0, told
        return told

    def status(self) -> dict[str, Any]:
        """Return what `tidemill status --json` says."""
        command = [sys.executable, "-m", "orchestration", "status", "--limit", "500", "--json"]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=True
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def connect(self) -> Connection:
        """Open the warehouse."""
        if self.dsn:
            return connect_postgres(self.dsn)
        own = self.variables.get("TIDEMILL_DUCKDB_PATH")
        return connect_duckdb(Path(own) if own else self.var / "warehouse.duckdb")

    def tables(self) -> dict[str, tuple[int, str]]:
        """Return the count and the fingerprint of every table's rows, whatever their order."""
        with self.connect() as connection:
            return tables(connection)

    def contacts(self) -> list[tuple[Any, ...]]:
        """Return the CRM's contacts, and how often each was changed."""
        with closing(sqlite3.connect(self.var / "shop" / "crm.sqlite")) as crm:
            names = [
                row[0] for row in crm.execute("select name from sqlite_master where type='table'")
            ]
            return [
                (name, *row)
                for name in sorted(names)
                if name.startswith("contact")
                for row in crm.execute(f"select * from {name} order by 1").fetchall()
            ]

    def accounting(self) -> dict[str, tuple[int, int]]:
        """Return the rows loaded and rejected of each table, over all runs; the sums must fit."""
        return counted(self.status()["runs"])


def counted(runs: Iterable[Mapping[str, Any]]) -> dict[str, tuple[int, int]]:
    """Return the rows loaded and rejected of each table, over all runs; the sums must fit."""
    found: dict[str, tuple[int, int]] = {}
    for run in runs:
        for row in run["tables"]:
            assert row["read"] == row["loaded"] + row["collapsed"] + row["rejected"], row
            name = f"{row['source']}.{row['table']}"
            loaded, rejected = found.get(name, (0, 0))
            found[name] = (loaded + row["loaded"], rejected + row["rejected"])
    return {name: counts for name, counts in found.items() if any(counts)}


def tables(connection: Connection) -> dict[str, tuple[int, str]]:
    """Return the count and the fingerprint of every table's rows in a warehouse."""
    connection.execute("set timezone = 'UTC'")
    names = connection.execute(
        "select table_schema, table_name from information_schema.tables order by 1, 2"
    ).fetchall()
    return {
        f"{schema}.{table}": _fingerprint(connection, schema, table)
        for schema, table in names
        if _is_compared(schema, table)
    }


def _is_compared(schema: str, table: str) -> bool:
    is_ours = schema.startswith(SCHEMAS) and not schema.endswith("_staging")
    return is_ours and not table.startswith("_dlt")


def _fingerprint(connection: Connection, schema: str, table: str) -> tuple[int, str]:
    columns = [
        f'"{name}"'
        for name in connection.columns(schema, table)
        if not any(word in name for word in MORTAL)
    ]
    # Rejects name the page they came from, and each chain's shop has a port of its own; a user who
    # is gone from the source is so from the moment at which that was seen, by the wall clock.
    now = datetime.now(tz=UTC)
    months = "|".join({f"{day:%Y-%m-}" for day in (now - timedelta(days=1), now)})
    alike = (
        "regexp_replace(regexp_replace({}::text, '127.0.0.1:[0-9]+', 'shop'), "
        f"'({months})[0-9]{{{{2}}}} [0-9:.]+', 'now')"
    )
    row = f"md5(concat_ws('|', {', '.join(alike.format(name) for name in sorted(columns))}))"
    sql = (
        f"select count(*), coalesce(md5(string_agg(mark, '' order by mark)), '') "
        f'from (select {row} as mark from "{schema}"."{table}") as marks'
    )
    count, mark = connection.execute(sql).fetchone() or (0, "")
    return int(count), str(mark)


def kill(run: subprocess.Popen[str], how: str) -> None:
    """Kill -9: the runner's process `group`, `everything` it started, or only a `child` of it."""
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        descendants = psutil.Process(run.pid).children(recursive=True)
        if how == "child" and descendants:
            descendants[-1].kill()
            return
        os.killpg(run.pid, signal.SIGKILL)
        for process in descendants if how == "everything" else ():
            with suppress(psutil.NoSuchProcess):
                process.kill()


def wait_until_quiet(run: subprocess.Popen[str]) -> None:
    """Wait for the runner's end, and give its orphans the moment they need to notice."""
    run.wait(PATIENCE)
    if run.stderr:
        run.stderr.close()
    time.sleep(0.05)
