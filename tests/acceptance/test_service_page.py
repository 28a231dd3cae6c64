"""The commands of docs/service.md do what the page says, on a shop's first day."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import duckdb
import httpx
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet
import pytest

from tests.acceptance.command import ROOT, Tidemill
from tests.acceptance.pages import blocks, script
from tests.integration.orchestration.service.running import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.shop import Shop

pytestmark = pytest.mark.slow

ITEMS = [{"id": key, "method": "create", "data": {"email": f"u{key}@x.example"}} for key in (2, 3)]


@pytest.fixture
def server(tmp_path: Path, shop: Shop) -> Iterator[Server]:
    """A service whose shop has had a day."""
    shop.advance()
    found = Server(tmp_path / "var", shop.environment())
    Tidemill(var=found.var, variables=shop.environment()).well("run", "daily")
    found.start()
    yield found
    found.close()


def test_the_page_keeps_its_word(server: Server, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "service.md").read_text()
    part = tmp_path / "service.md"
    part.write_text(page[page.index("## Batches in") :])
    (tmp_path / ".curlrc").write_text("fail\nsilent\nshow-error\n")
    (tmp_path / "users.ndjson").write_text("\n".join(map(json.dumps, ITEMS)))
    commands = script(blocks(part)).replace("http://127.0.0.1:8080", server.url)
    done = subprocess.run(
        ["bash", "-c", commands],
        cwd=tmp_path,
        env={**server.environment, "CURL_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for promised in ('"successful":1', '"job_id"', '"status_url"', '"next_cursor"', '"has_prev"'):
        assert promised in done.stdout.replace(" ", ""), promised
    rows = pyarrow.parquet.read_table(tmp_path / "users.parquet")
    assert rows.num_rows == published(server)
    assert not {"email", "full_name", "_load_id"} & set(rows.column_names)

    Tidemill(var=server.var, variables=server.environment).well("load", "intake")
    with duckdb.connect(str(server.var / "warehouse.duckdb"), read_only=True) as warehouse:
        loaded = warehouse.execute("select id from raw_intake.users order by id").fetchall()
    assert loaded == [(1,), (2,), (3,)]


def test_libraries_read_every_form(server: Server) -> None:
    whole = published(server)
    with httpx.Client(base_url=server.url, timeout=60) as client:
        bodies = {
            form: pa.BufferReader(
                client.get("/api/v1/users/export", params={"format": form}).content
            )
            for form in ("csv", "ndjson", "parquet", "arrow")
        }
    tables = {
        "csv": pyarrow.csv.read_csv(bodies["csv"]),
        "ndjson": pyarrow.json.read_json(bodies["ndjson"]),
        "parquet": pyarrow.parquet.read_table(bodies["parquet"]),
        "arrow": pa.ipc.open_stream(bodies["arrow"]).read_all(),
    }
    keys = {form: sorted(table["user_id"].to_pylist()) for form, table in tables.items()}
    assert keys == dict.fromkeys(tables, keys["arrow"])
    assert len(set(keys["arrow"])) == whole


def test_a_reader_who_follows_cursors_gets_each_row_once_while_runs_publish(
    server: Server, shop: Shop
) -> None:
    before = set(keys_of(server))
    commands = Tidemill(var=server.var, variables=shop.environment())
    seen: list[int] = []
    with httpx.Client(base_url=server.url, timeout=60) as client:
        cursor: str | None = ""
        tags: set[str] = set()
        while cursor is not None:
            answer = client.get("/api/v1/users", params={"cursor": cursor, "page_size": 100})
            body = answer.json()
            seen += [row["user_id"] for row in body["items"]]
            if not tags:
                shop.advance()
                commands.well("run", "daily")
            tags.add(answer.headers["ETag"])
            cursor = body["next_cursor"]
        assert len(seen) == len(set(seen))
        assert before & set(keys_of(server)) <= set(seen)
        known = {"If-None-Match": client.get("/api/v1/users").headers["ETag"]}
        assert client.get("/api/v1/users", headers=known).status_code == 304


def keys_of(server: Server) -> list[int]:
    with duckdb.connect(str(server.var / "published.duckdb"), read_only=True) as connection:
        return [
            key for (key,) in connection.execute("select user_id from marts.dim_users").fetchall()
        ]


def published(server: Server) -> int:
    return len(keys_of(server))
