"""`tidemill quarantine` lists, shows, replays and dismisses what a load rejected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis
from typer.testing import CliRunner

from loaders.load import load
from loaders.sources.payment_queue import payment_queue
from loaders.warehouse import target
from orchestration.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result


@pytest.fixture
def client(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    """A queue of three payments, two of which the loader rejects, and a warehouse that has them."""
    monkeypatch.setenv("TIDEMILL_DUCKDB_PATH", str(tmp_path / "warehouse.duckdb"))
    monkeypatch.setenv("SOURCES__PAYMENT_QUEUE__URL", redis_url)
    with Redis.from_url(redis_url) as opened:
        for amount in ("1.50", "much", "more"):
            opened.xadd("payments", {"payment_id": 1, "amount": amount})
        load(payment_queue(redis_url), target=target("duckdb"))
        yield opened


def tidemill(*words: str) -> Result:
    return CliRunner().invoke(app, ["quarantine", *words])


def listed(*words: str) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = json.loads(tidemill("list", "--json", *words).stdout)["rejects"]
    return answer


def test_rejects_are_listed_shown_corrected_and_let_go(client: Redis, tmp_path: Path) -> None:
    told = tidemill("list", "--source", "payment_queue")
    assert told.exit_code == 0
    assert "amount: 'much' is not a decimal(18, 2)" in told.stdout
    assert "2 rejected rows." in told.stdout
    assert [one["reason"][:14] for one in listed("--reason", "more")] == ["amount: 'more'"]
    (much,) = listed("--reason", "much")

    shown = tidemill("show", much["reject_id"][:8])
    assert json.loads(shown.stdout)["amount"] == "much"
    (tmp_path / "row.json").write_text(shown.stdout.replace("much", "2.50"))
    fixed = tidemill("replay", much["reject_id"][:8], "--with", str(tmp_path / "row.json"))
    assert fixed.exit_code == 0
    assert "payment_queue  payments" in fixed.stdout

    again = tidemill("replay", "--source", "payment_queue", "--json")
    assert again.exit_code == 3
    assert json.loads(again.stdout)["tables"][0]["rejected"] == 1
    (more,) = listed()
    assert tidemill("replay", more["reject_id"], "--set", "amount=3.50").exit_code == 0
    with target("duckdb").connect() as connection:
        total = connection.scalar("select sum(amount) from raw_payment_queue.payments")
    assert float(total) == 7.5
    assert listed() == []
    assert tidemill("replay", "--source", "payment_queue").stdout == "Nothing to replay.\n"


def test_what_is_dismissed_is_kept_with_its_note(client: Redis) -> None:
    first, second = listed()
    gone = tidemill("dismiss", first["reject_id"], "--note", "a test of theirs")
    assert (gone.exit_code, gone.stdout) == (0, "Dismissed: 1 rows.\n")
    assert [one["reject_id"] for one in listed()] == [second["reject_id"]]
    (kept,) = listed("--dismissed")
    assert kept["note"] == "a test of theirs"
    assert kept["dismissed_at"] is not None
    assert json.loads(tidemill("show", first["reject_id"]).stdout)["payment_id"] == "1"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("replay",), "Nothing to replay: name rows"),
        (("dismiss", "--note", "x"), "Nothing to dismiss: name rows"),
        (("show", "zz"), "No rejected row 'zz'"),
        (("show", "stg_a__b"), "Nothing in quarantine is named 'stg_a__b'"),
        (("replay", "--source", "payment_queue", "--set", "a=1"), "correct one row, and 2 are"),
    ],
)
def test_what_cannot_be_done_is_told(client: Redis, words: tuple[str, ...], told: str) -> None:
    result = tidemill(*words)
    assert result.exit_code == 1
    assert told in str(result.exception)
