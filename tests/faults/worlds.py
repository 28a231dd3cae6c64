"""What single commands are tried on: a world that moves a day at a time, and a day's commands."""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import redis

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 4_000
HEADER = "id,name,amount,day\n"


class Files:
    """A folder: whole files, one with bad rows, one that is rewritten, one with a new column."""

    def __init__(self, path: Path, _: str) -> None:
        self.folder = path / "in"
        self.folder.mkdir()
        self.variables = {"SOURCES__KILL_FILES__FOLDER": str(self.folder)}

    def day(self, day: int) -> list[list[tuple[str, ...]]]:
        """Let a day pass; return its commands, those of a list to be run side by side."""
        first = day * 10**6
        self._write(f"{day}a.csv", _lines(first, ROWS))
        bad = "x,Bad,1,2026-01-01\n5,Odd,no,2026-01-01\n"
        self._write(f"{day}b.csv", _lines(first + ROWS, ROWS) + bad)
        self._write("again.csv", _lines(9 * 10**6, ROWS // 4, f"Day {day}") + f"bad{day},x,1,\n")
        more = {"extra": "e"} if day > 1 else {}
        with gzip.open(self.folder / f"{day}c.jsonl.gz", "wt") as file:
            for number in range(ROWS // 4):
                row = {"id": first + 6 * ROWS + number, "name": "J", "amount": 1, **more}
                file.write(json.dumps(row) + "\n")
        return [[("load", "kill_files")]]

    def end(self) -> Any:
        """Return what must be alike at the end, beside the warehouse."""

    def _write(self, name: str, lines: str) -> None:
        (self.folder / name).write_text(HEADER + lines)


def _lines(first: int, count: int, word: str = "Ann") -> str:
    return "".join(
        f"{n},{word} {n},{n % 1000}.50,2026-01-01\n" for n in range(first, first + count)
    )


class Sweep:
    """A database in which rows come, change, vanish, and change behind the cursor."""

    def __init__(self, path: Path, _: str) -> None:
        self.path = path / "far.sqlite"
        self.variables = {"SOURCES__KILL_DB__URL": f"sqlite:///{self.path}"}
        shape = "(id integer primary key, name text, amount numeric, updated_at text)"
        self.run(f"create table orders {shape}", f"create table items {shape}")

    def run(self, *statements: str) -> None:
        """Run statements of SQL in one transaction."""
        with closing(sqlite3.connect(self.path)) as far, far:
            for sql in statements:
                far.execute(sql)

    def insert(self, first: int, count: int, moment: str) -> None:
        """Add rows whose time is an expression of their number `i`."""
        numbers = (
            f"with recursive s(i) as (select {first} union all "
            f"select i + 1 from s where i < {first + count})"
        )
        row = f"i, 'n' || i, (i % 100) + 0.5, {moment}"
        tables = ("orders", "items")
        self.run(*(f"insert into {table} {numbers} select {row} from s" for table in tables))

    def day(self, day: int) -> list[list[tuple[str, ...]]]:
        """Let a day pass; return its commands."""
        self._change(day)
        if day > 1:
            for table in ("orders", "items"):
                old = "name = 'back', updated_at = '2025-01-01'"
                self.run(f"delete from {table} where id % 5 = {day}")
                self.run(f"update {table} set {old} where id % 11 = {day}")
        return [[("load", "kill_db", "--sweep-deletes")]]

    def end(self) -> Any:
        """There is nothing else to compare."""

    def _change(self, day: int) -> None:
        moment = f"'2026-0{day}-01 00:00:00'"
        if day == 1:
            self.insert(1, ROWS, "datetime('2025-01-01', '+' || (i % 300) || ' days')")
        self.insert(day * 10**6, ROWS // 5, moment)
        for table in ("orders", "items"):
            self.run(f"update {table} set updated_at = {moment} where id % 7 = {day}")


class Backfill(Sweep):
    """The same database, whose past is filled, and filled again beside a daily load."""

    def day(self, day: int) -> list[list[tuple[str, ...]]]:
        """Let a day pass; return its commands."""
        self._change(day)
        stretch = ("--from", "2025-01-01", "--to", "2025-11-01", "--chunk", "2month")
        fill = ("backfill", "kill_db.orders", *stretch, "--parallel", "2")
        return [[fill]] if day == 1 else [[(*fill, "--redo"), ("load", "kill_db")]]


class Stream:
    """A Redis stream, with messages of a wrong type and some that are no text."""

    def __init__(self, _: Path, url: str) -> None:
        self.variables = {"SOURCES__KILL_QUEUE__URL": url}
        self.client = redis.Redis.from_url(url)
        self.client.flushdb()

    def day(self, day: int) -> list[list[tuple[str, ...]]]:
        """Let a day pass; return its commands."""
        sending = self.client.pipeline()
        for number in range(day * 10**6, day * 10**6 + ROWS // 2):
            fields: dict[Any, Any] = {"id": str(number), "text": f"t{number}"}
            if number % 500 == 7:
                fields = {"id": "bad", "text": "x"}
            if number % 500 == 9:
                fields = {"id": b"\xff\xfe", "text": "y"}
            sending.xadd("notes", fields, id=f"{number}-1")
        sending.execute()
        return [[("load", "kill_queue")]]

    def end(self) -> Any:
        """Return what waits, and where the group is."""
        group = self.client.xinfo_groups("notes")[0]
        return group["pending"], group["last-delivered-id"]


WORLDS: dict[str, Any] = {"files": Files, "sweep": Sweep, "backfill": Backfill, "stream": Stream}
