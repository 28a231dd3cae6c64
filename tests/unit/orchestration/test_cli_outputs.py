"""The commands for outputs show what would go out, what was refused, and what was converted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from orchestration.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A warehouse with two users for the CRM; nobody listens there."""
    import duckdb

    monkeypatch.setenv("TIDEMILL_VAR", str(tmp_path))
    monkeypatch.setenv("TIDEMILL_DUCKDB_PATH", str(tmp_path / "warehouse.duckdb"))
    monkeypatch.setenv("OUTPUTS__CRM_USERS__BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("OUTPUTS__CRM_USERS__TOKEN", "token")
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("create schema outputs")
        connection.execute(
            "create table outputs.out_crm__users as select unnest([1, 2]) as user_id, "
            "'ada@example.com' as email"
        )
    return tmp_path


def tell(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


def test_a_dry_run_shows_what_would_go_out(
    warehouse: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell("deliver", "crm_users", "--dry-run", "--limit", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "output": "crm_users",
        "destination": "http://127.0.0.1:1/crm/contacts/batch",
        "upserts": 2,
        "deletes": 0,
        "left": 0,
        "items": [{"key": "1", "method": "upsert", "data": '{"email":"ada@example.com"}'}],
        "files": [],
    }
    assert tell("deliver", "crm_users", "--dry-run") == 0
    told = capsys.readouterr().out
    assert "crm_users would send 2 and delete 0 at http://127.0.0.1:1/crm/contacts/batch." in told
    assert 'upsert  2    {"email":"ada@example.com"}' in told


def test_nothing_refused_is_told(warehouse: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tell("refused", "crm_users") == 0
    assert capsys.readouterr().out == "crm_users: 0 refused.\n"
    assert tell("refused", "crm_users", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"output": "crm_users", "refused": []}


def test_an_unknown_output_is_named(warehouse: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["deliver", "crm"], ["refused", "crm"]):
        assert tell(*words) == 1
        assert "No output named 'crm'. Known: crm_users" in capsys.readouterr().err


def test_a_file_is_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.csv").write_text("number\n1\n2\n3\n")
    out = str(tmp_path / "out.jsonl")
    sql = "select number from input where number > 1"
    assert tell("convert", str(tmp_path / "in.csv"), out, "--sql", sql) == 0
    assert (tmp_path / "out.jsonl").read_text() == '{"number":2}\n{"number":3}\n'
    assert f"{out}: 2 rows, 26 bytes" in capsys.readouterr().out
