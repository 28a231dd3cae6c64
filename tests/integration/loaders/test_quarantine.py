"""Rejected rows come back by the same door, once, and never over what is newer."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import dlt
import orjson
import pytest

from loaders import rejects
from loaders.columns import columns
from loaders.load import load
from loaders.readers.files import files
from loaders.rejects import RejectUnknown, Wanted
from loaders.replay import replay
from tests.integration.loaders.corner import (
    LOOSE,
    NOON,
    ONE,
    counts,
    fetch,
    open_,
    sale,
    sales,
    shop,
)

if TYPE_CHECKING:
    from pathlib import Path

    from dlt.extract import DltSource

    from loaders.warehouse import Target

pytestmark = pytest.mark.slow


def test_rejects_are_found_by_source_table_reason_and_time(target: Target) -> None:
    load(shop(sale(1), sale(2, "much"), sale("three"), sale(None)), target=target)
    assert len(open_(target)) == 3
    assert [one.payload for one in open_(target, reason="MUCH")] == [
        orjson.dumps(sale(2, "much")).decode()
    ]
    assert open_(target, source="elsewhere") == []
    assert open_(target, table="elsewhere") == []
    assert len(open_(target, table="sales", reason="is missing")) == 1
    assert open_(target, until=datetime(2026, 1, 1, tzinfo=UTC)) == []
    assert len(open_(target, since=datetime(2026, 1, 1, tzinfo=UTC))) == 3
    wanted = open_(target)[0]
    assert open_(target, ids=(wanted.reject_id[:10],)) == [wanted]
    with pytest.raises(RejectUnknown, match="No rejected row 'zz'"):
        open_(target, ids=("zz",))


def test_what_passes_after_the_columns_changed_joins_its_table(target: Target) -> None:
    load(shop(sale(1), sale(2, "much"), sale("three", "3")), target=target)
    assert counts(replay(shop(), target=target)) == [(2, 0, 0, 2)]
    fixed = shop(declared=columns(id="text", amount="decimal(18, 2)", updated_at="timestamp"))
    before = fetch(target, "select max(load_id) from raw_corner._dlt_loads")[0][0]
    load(shop(sale(4)), target=target)
    given = {open_(target, reason="much")[0].reject_id: orjson.dumps(sale(2, "2.25")).decode()}
    assert counts(replay(shop(), target=target, payloads=given)) == [(2, 1, 0, 1)]
    assert sales(target) == [(1, Decimal("1.50")), (2, Decimal("2.25")), (4, Decimal("1.50"))]
    assert [one.payload for one in open_(target)] == [orjson.dumps(sale("three", "3")).decode()]
    (load_id,) = fetch(target, "select _dlt_load_id from raw_corner.sales where id = 2")[0]
    assert load_id > before
    assert fetch(
        target, f"select status, schema_name from raw_corner._dlt_loads where load_id = '{load_id}'"
    ) == [(0, "corner")]
    assert fixed.name == "corner"


def test_what_fails_again_stays_with_its_new_reason(target: Target) -> None:
    load(shop(sale(1, "much", "then")), target=target)
    assert "amount" in open_(target)[0].reason
    assert counts(replay(shop(declared=LOOSE), target=target)) == [(1, 0, 0, 1)]
    (left,) = open_(target)
    assert left.reason == "updated_at: 'then' is not a timestamptz"
    assert left.payload == orjson.dumps(sale(1, "much", "then")).decode()


def test_a_corrected_row_that_fails_leaves_all_as_it_was(target: Target) -> None:
    load(shop(sale(1, "much")), target=target)
    before = open_(target)
    given = {before[0].reject_id: "{"}
    assert counts(replay(shop(), target=target, payloads=given)) == [(1, 0, 0, 1)]
    assert open_(target) == before


@pytest.mark.parametrize("is_dated", [True, False])
def test_a_newer_row_is_not_overwritten(target: Target, is_dated: bool) -> None:
    load(shop(sale(1, "much"), sale(2), is_dated=is_dated), target=target)
    load(shop(sale(1, "5.00", ONE), is_dated=is_dated), target=target)
    given = {open_(target)[0].reject_id: orjson.dumps(sale(1, "1.00")).decode()}
    found = replay(shop(is_dated=is_dated), target=target, payloads=given)
    assert counts(found) == [(1, 0, 1, 0)]
    assert sales(target) == [(1, Decimal("5.00")), (2, Decimal("1.50"))]
    assert open_(target) == []
    (let_go,) = open_(target, is_dismissed=True)
    assert let_go.note == "a newer row had arrived when it was replayed"


def test_an_older_row_is_replaced_and_of_two_the_newest_wins(target: Target) -> None:
    load(shop(sale(1, "1.00", NOON)), target=target)
    load(shop(sale(1, "much", ONE), sale(1, "more", "2026-01-01T12:30:00Z")), target=target)
    much, more = open_(target, reason="much")[0], open_(target, reason="more")[0]
    given = {
        much.reject_id: orjson.dumps(sale(1, "3.00", ONE)).decode(),
        more.reject_id: orjson.dumps(sale(1, "2.00", "2026-01-01T12:30:00Z")).decode(),
    }
    assert counts(replay(shop(), target=target, payloads=given)) == [(2, 1, 1, 0)]
    assert sales(target) == [(1, Decimal("3.00"))]


def test_a_new_column_comes_along(target: Target) -> None:
    load(shop(sale(1), sale(2, "much", colour="red")), target=target)
    given = {open_(target)[0].reject_id: orjson.dumps(sale(2, "2.00", colour="red")).decode()}
    replay(shop(), target=target, payloads=given)
    sql = "select id, colour from raw_corner.sales order by id"
    assert fetch(target, sql) == [(1, None), (2, "red")]
    load(shop(sale(3, colour="blue")), target=target)
    assert fetch(target, sql) == [(1, None), (2, "red"), (3, "blue")]


def test_only_what_is_meant_is_replayed(target: Target) -> None:
    load(shop(sale(1, "much"), sale(2, "more")), target=target)
    found = replay(shop(), target=target, wanted=Wanted(reason="more"))
    assert counts(found) == [(1, 0, 0, 1)]
    assert len(open_(target)) == 2
    assert sales(target) == []


def test_a_dismissed_row_is_kept_and_open_no_more(target: Target) -> None:
    load(shop(sale(1, "much"), sale(2, "more")), target=target)
    now = datetime(2026, 2, 1, 9, tzinfo=UTC)
    with target.connect() as connection:
        meant = rejects.find(connection, Wanted(reason="much"))
        assert rejects.dismiss(connection, meant, "a test of theirs", now) == 1
    assert [one.reason for one in open_(target)] == ["amount: 'more' is not a decimal(18, 2)"]
    (let_go,) = open_(target, is_dismissed=True)
    assert (let_go.note, let_go.dismissed_at) == ("a test of theirs", now)
    load(shop(sale(1, "much"), sale(3, "most")), target=target)
    assert len(open_(target)) == 2
    assert len(open_(target, is_dismissed=True)) == 1


def drop(folder: Path, declared: Any) -> DltSource:
    @dlt.source(name="corner")
    def corner() -> Any:
        return files("sales", str(folder), columns=declared)

    return corner()


def test_a_row_of_a_file_comes_back_at_its_line(target: Target, tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    (folder / "a.csv").write_text("id,amount\n1,1.50\n2,much\n3,2.50,too,many\n4,4.50\n")
    (folder / "b.jsonl").write_text('{"id": 5, "amount": "more"}\n{broken\n')
    strict = columns(id="bigint", amount="decimal(18, 2)")
    load(drop(folder, strict), target=target)
    found = {(one.origin, one.position): one for one in open_(target)}
    assert found.keys() == {("a.csv", "3"), ("a.csv", "4"), ("b.jsonl", "1"), ("b.jsonl", "2")}
    given = {
        found["a.csv", "3"].reject_id: '{"id": "2", "amount": "2.00"}',
        found["b.jsonl", "1"].reject_id: '{"id": 5, "amount": "5.00"}',
    }
    broken = found["a.csv", "4"].reason, found["b.jsonl", "2"].reason
    assert counts(replay(drop(folder, strict), target=target, payloads=given)) == [(4, 2, 0, 2)]
    sql = "select id, amount, _file, _line from raw_corner.sales order by id"
    rows = [
        (1, Decimal("1.50"), "a.csv", 2),
        (2, Decimal("2.00"), "a.csv", 3),
        (4, Decimal("4.50"), "a.csv", 5),
        (5, Decimal("5.00"), "b.jsonl", 1),
    ]
    assert fetch(target, sql) == rows
    assert sorted(one.reason for one in open_(target)) == sorted(broken)
    load(drop(folder, strict), target=target)
    assert fetch(target, sql) == rows
    (folder / "a.csv").write_text("id,amount\n1,9.00\n")
    load(drop(folder, strict), target=target)
    assert fetch(target, sql) == [(1, Decimal("9.00"), "a.csv", 2), rows[3]]


def test_a_message_that_came_back_is_not_loaded_again(target: Target, redis_url: str) -> None:
    from redis import Redis

    from loaders.sources.payment_queue import payment_queue

    with Redis.from_url(redis_url) as client:
        number = client.xadd("payments", {"payment_id": 1, "amount": "much"}).decode()
        load(payment_queue(redis_url), target=target)
        (rejected,) = open_(target)
        given = {rejected.reject_id: '{"payment_id": 1, "amount": "2.00"}'}
        replay(payment_queue(redis_url), target=target, payloads=given)
        client.xgroup_setid("payments", "tidemill", "0")
        load(payment_queue(redis_url), target=target)
    sql = "select message_id, payment_id, amount from raw_payment_queue.payments"
    assert fetch(target, sql) == [(number, 1, Decimal("2.00"))]
    assert open_(target) == []


@pytest.mark.slow
@pytest.mark.parametrize("at", range(9))
def test_a_replay_that_dies_anywhere_has_happened_or_has_not(
    target: Target, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    from loaders.connection import Connection

    load(shop(sale(1, "much"), sale(2, "more"), sale(3)), target=target)
    before = sales(target), open_(target)
    given = {open_(target, reason="much")[0].reject_id: orjson.dumps(sale(1, "1.00")).decode()}
    honest, seen = Connection.execute, []

    def dying(self: Connection, sql: str, parameters: Any = ()) -> Connection:
        if sql == "begin" or seen:
            seen.append(sql)
        if len(seen) == at + 2:
            self.raw.close()  # as a killed process leaves it
            raise KeyboardInterrupt
        return honest(self, sql, parameters)

    with monkeypatch.context() as patched:
        patched.setattr(Connection, "execute", dying)
        with pytest.raises(KeyboardInterrupt):
            replay(shop(), target=target, payloads=given)
    assert (sales(target), open_(target)) == before
    assert counts(replay(shop(), target=target, payloads=given)) == [(2, 1, 0, 1)]
    assert sales(target) == [(1, Decimal("1.00")), (3, Decimal("1.50"))]


def test_rows_that_break_rules_are_counted_and_shown(duckdb_target: Target) -> None:
    with duckdb_target.connect() as connection:
        connection.execute("create schema quarantine")
        connection.execute(
            "create table quarantine.stg_corner__sales as "
            "select 1 as id, 'amount is negative' as reasons union all select 2, 'id is odd'"
        )
        found = rejects.broken_rules(connection, "sales")
        assert [(one.model, one.reasons, one.count_rows) for one in found] == [
            ("stg_corner__sales", "amount is negative", 1),
            ("stg_corner__sales", "id is odd", 1),
        ]
        assert rejects.broken_rules(connection, "other") == []
        rows = rejects.rows_of(connection, "stg_corner__sales", 1)
        assert rows == [{"id": 1, "reasons": "amount is negative"}]
        with pytest.raises(RejectUnknown, match="Known models: stg_corner__sales"):
            rejects.rows_of(connection, "stg_corner__nothing", 1)
