"""Another database has what the model says, of each kind, and no more of it is touched."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from loaders.delivery import Delivery, DeliveryResult
from loaders.delivery_record import DeliveryRecord
from loaders.errors import DeliveryFailed, DeliveryRefused
from loaders.senders.database import DatabaseSender
from loaders.senders.databases import far_database
from loaders.senders.endpoint import Patience
from loaders.senders.facts import KeyedOutput

if TYPE_CHECKING:
    from loaders.warehouse import Target

pytestmark = pytest.mark.slow

MODEL = "outputs.out_far__orders"
COLUMNS = (
    "order_id bigint, note text, amount numeric(18,2), is_paid boolean, ordered_on date, "
    "ordered_at timestamp, share double precision"
)
ODD = "He said \"no\",\n\\N, NULL and 'ñ€🎉'"


def row(key: int, note: str | None = "plain", amount: str | None = "12.50") -> tuple[Any, ...]:
    return (key, note, amount, key % 2 == 0, "2026-01-02", "2026-01-02 03:04:05.5", 0.25)


def desire(target: Target, *rows: tuple[Any, ...]) -> None:
    with target.connect() as connection:
        connection.execute(f"drop table if exists {MODEL}")
        connection.execute(f"create table {MODEL} ({COLUMNS})")
        for one in rows:
            connection.execute(f"insert into {MODEL} values (?, ?, ?, ?, ?, ?, ?)", one)


def desire_many(target: Target, count: int, amount: str = "number * 0.25") -> None:
    desire(target)
    with target.connect() as connection:
        connection.execute(
            f"insert into {MODEL} select number, 'note ' || number, {amount}, number % 2 = 0, "
            "date '2026-01-02', timestamp '2026-01-02 03:04:05', 0.5 "
            f"from generate_series(1, {count}) as numbers(number)"
        )


def send(target: Target, url: str, **settings: Any) -> DeliveryResult:
    key = settings.pop("key", ("order_id",))
    sender = DatabaseSender(url=url, table="orders", key=key, patience=PATIENCE, **settings)
    with target.connect() as connection:
        return Delivery(
            name="far",
            output=KeyedOutput(model=MODEL, key=key, sender=sender),
            record=DeliveryRecord(connection, "far", "r1"),
            on_progress=max,
        ).run(allow_deletes=True)


PATIENCE = Patience(attempts=2, first_pause=0.01)


def there(url: str, query: str = "select * from orders order by 1") -> list[tuple[Any, ...]]:
    far = far_database(url)
    far.connect()
    with closing(far):
        far.run(query)
        return [tuple(one) for one in far.cursor.fetchall()]


def plain(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Bring what the three drivers return to one form."""
    return [tuple(_plain(position, value) for position, value in enumerate(one)) for one in rows]


def _plain(position: int, value: Any) -> Any:
    if position == 2 and value is not None:
        return Decimal(str(value)).quantize(Decimal("0.01"))
    if position == 3:
        return bool(value)
    if isinstance(value, datetime):
        return value.isoformat(" ").rstrip("0")
    return value.isoformat() if isinstance(value, date) else value


def test_rows_arrive_as_they_are(warehouse: Target, far_url: str) -> None:
    desire(warehouse, row(1, ODD), row(2, "", None), row(3, None), row(4, "NULL"), row(5, "\\N"))
    assert send(warehouse, far_url).successful == 5
    rest = ("2026-01-02", "2026-01-02 03:04:05.5", 0.25)
    amount = Decimal("12.50")
    assert plain(there(far_url)) == [
        (1, ODD, amount, False, *rest),
        (2, "", None, True, *rest),
        (3, None, amount, False, *rest),
        (4, "NULL", amount, True, *rest),
        (5, "\\N", amount, False, *rest),
    ]


def test_only_what_changed_is_touched(warehouse: Target, far_url: str) -> None:
    desire(warehouse, *map(row, range(1, 9)))
    send(warehouse, far_url)
    marked = "update orders set note = 'touched by hand' where order_id in (1, 2)"
    far = far_database(far_url)
    far.connect()
    far.run(marked)
    far.raw.commit()
    far.close()
    desire(warehouse, row(1), row(2, None), *map(row, range(4, 9)), row(9))
    result = send(warehouse, far_url)
    assert (result.successful, result.deletes, result.skipped) == (3, 1, 6)
    notes = there(far_url, "select order_id, note from orders order by 1")
    assert notes == [
        (1, "touched by hand"),
        (2, None),
        *((key, "plain") for key in range(4, 10)),
    ]


def test_chunks_add_up(warehouse: Target, far_url: str) -> None:
    desire_many(warehouse, 2_500)
    assert send(warehouse, far_url, batch_size=400).successful == 2_500
    desire_many(warehouse, 1_000, amount="-1")
    result = send(warehouse, far_url, batch_size=400, delete_size=70)
    assert (result.successful, result.deletes) == (2_500, 1_500)
    assert there(far_url, "select count(*), count(distinct order_id), sum(amount) from orders") == [
        (1_000, 1_000, -1_000)
    ]
    again = send(warehouse, far_url)
    assert (again.successful, again.skipped) == (0, 1_000)


def test_a_row_that_breaks_a_rule_there_goes_alone(duckdb_target: Target, far_url: str) -> None:
    with duckdb_target.connect() as connection:
        connection.execute("create schema outputs")
    desire_many(duckdb_target, 100)
    send(duckdb_target, far_url)
    far = far_database(far_url)
    far.connect()
    far.run(f"create unique index one_note on orders ({NOTE[far.address.kind]})")
    far.raw.commit()
    far.close()
    with duckdb_target.connect() as connection:
        connection.execute(f"update {MODEL} set amount = -7")
        connection.execute(f"update {MODEL} set note = 'note 40' where order_id = 41")
    result = send(duckdb_target, far_url)
    assert (result.successful, result.failed) == (99, 1)
    sums = "select sum(case when amount = -7 then 1 else 0 end), count(distinct note) from orders"
    assert there(far_url, sums) == [(99, 100)]
    with duckdb_target.connect() as connection:
        (refused,) = DeliveryRecord(connection, "far", "r1").refused()
    assert refused.key == "41"
    assert "note 40" in (refused.answer or "") or "orders.note" in (refused.answer or "")


NOTE = {"sqlite": "note", "postgresql": "note", "mysql": "note(50)"}


def test_a_key_of_two_columns(duckdb_target: Target, far_url: str) -> None:
    with duckdb_target.connect() as connection:
        connection.execute("create schema outputs")
        connection.execute(
            f"create table {MODEL} as select * from (values ('a', 1, 'x'), ('A', 1, 'y'), "
            "('a', 2, 'z')) as t(name, number, note)"
        )
    send(duckdb_target, far_url, key=("name", "number"))
    with duckdb_target.connect() as connection:
        connection.execute(f"delete from {MODEL} where number = 2")
        connection.execute(f"update {MODEL} set note = 'w' where name = 'A'")
    assert send(duckdb_target, far_url, key=("name", "number")).successful == 2
    rows = there(far_url, "select name, number, note from orders order by note")
    assert rows == [("A", 1, "w"), ("a", 1, "x")]


def test_a_model_of_keys_alone(duckdb_target: Target, far_url: str) -> None:
    with duckdb_target.connect() as connection:
        connection.execute("create schema outputs")
        connection.execute(f"create table {MODEL} as select unnest([1, 2, 3]) as order_id")
    assert send(duckdb_target, far_url).successful == 3
    with duckdb_target.connect() as connection:
        connection.execute(f"delete from {MODEL} where order_id = 2")
    assert send(duckdb_target, far_url).successful == 1
    assert there(far_url) == [(1,), (3,)]


SCRIPT = """
import os
from pathlib import Path
from loaders.delivery import Delivery
from loaders.delivery_record import DeliveryRecord
from loaders.senders.database import DatabaseSender
from loaders.senders.facts import KeyedOutput
from loaders.warehouse import Target
class Mortal(DeliveryRecord):
    calls = 0
    def record(self, answers):
        self.calls += 1
        if self.calls == 2:
            os.kill(os.getpid(), 9)
        super().record(answers)
target = Target(name="duckdb", kind="duckdb", path=Path({path!r}))
sender = DatabaseSender(url={url!r}, table="orders", key=("order_id",), batch_size=100)
output = KeyedOutput(model={model!r}, key=("order_id",), sender=sender)
with target.connect() as connection:
    record = Mortal(connection, "far", "r0")
    Delivery(name="far", output=output, record=record, on_progress=max).run(allow_deletes=True)
"""


def test_a_kill_between_commit_and_record_is_made_good(duckdb_target: Target, far_url: str) -> None:
    with duckdb_target.connect() as connection:
        connection.execute("create schema outputs")
    desire_many(duckdb_target, 400)
    script = SCRIPT.format(path=str(duckdb_target.path), url=far_url, model=MODEL)
    killed = subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert there(far_url, "select count(*) from orders") == [(200,)]
    with duckdb_target.connect() as connection:
        connection.execute(f"delete from {MODEL} where order_id in (150, 250)")
        connection.execute(f"update {MODEL} set amount = 0 where order_id = 151")
    send(duckdb_target, far_url)
    totals = "select count(*), count(distinct order_id), sum(amount) from orders"
    expected = sum(number * 0.25 for number in range(1, 401) if number not in {150, 151, 250})
    assert [tuple(map(float, row)) for row in there(far_url, totals)] == [(398, 398, expected)]
    assert send(duckdb_target, far_url).successful == 0


def test_a_missing_column_there_is_named(duckdb_target: Target, far_url: str) -> None:
    with duckdb_target.connect() as connection:
        connection.execute("create schema outputs")
    far = far_database(far_url)
    far.connect()
    far.run("create table orders (order_id integer primary key, note varchar(9))")
    far.raw.commit()
    far.close()
    desire(duckdb_target, row(1))
    with pytest.raises(DeliveryRefused, match="has no column 'amount, is_paid"):
        send(duckdb_target, far_url)


def test_a_dead_server_is_named_without_its_password(duckdb_target: Target) -> None:
    with duckdb_target.connect() as connection:
        connection.execute("create schema outputs")
    desire(duckdb_target, row(1))
    for kind in ("postgresql", "mysql"):
        with pytest.raises(DeliveryFailed, match="does not answer") as caught:
            send(duckdb_target, f"{kind}://me:s3cr3t@127.0.0.1:1/db")
        assert caught.value.retryable
        assert "s3cr3t" not in str(caught.value)


def test_a_server_that_takes_no_files_gets_inserts(
    duckdb_target: Target, mariadb_server: str
) -> None:
    from tests.integration.loaders.outputs.mariadb import fresh_database

    url = fresh_database(mariadb_server)
    far = far_database(url)
    far.connect()
    with duckdb_target.connect() as connection:
        connection.execute("create schema outputs")
    desire(duckdb_target, row(1, ODD), row(2, None), row(3, ""))
    far.run("set global local_infile = 0")
    try:
        assert send(duckdb_target, url).successful == 3
    finally:
        far.run("set global local_infile = 1")
        far.close()
    assert there(url, "select note from orders order by order_id") == [(ODD,), (None,), ("",)]
