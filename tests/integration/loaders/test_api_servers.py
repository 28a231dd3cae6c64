"""An API is read whole through what servers, and what stands before them, do to its answers."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import dlt
import pytest

from loaders.columns import columns
from loaders.dispositions import REPLACE_KEYS
from loaders.errors import LoaderError
from loaders.load import load
from loaders.readers.api import api_resources
from loaders.readers.session import Manners
from tests.integration.loaders.api_styles import paging_next, recipe, searched
from tests.integration.loaders.shelf_sources import HASTE
from tests.integration.loaders.web import Answer, Web

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler

    from dlt.extract import DltSource

    from loaders.warehouse import Target

WHOLE = [(250, 250, 0, 0)]


class Closing(Web):
    """A server that ends the connection after each answer and does not say so."""

    def handler(self) -> type[BaseHTTPRequestHandler]:
        kind: Any = super().handler()

        def do_get(here: Any) -> None:
            kind.do_GET(here)
            here.close_connection = True

        return type("Handler", (kind,), {"do_GET": do_get, "do_POST": do_get})


def rows_of(web: Web, name: str) -> DltSource:
    """The rows by a recipe of the page on APIs."""
    rows = {
        "name": "rows",
        "primary_key": "id",
        "write_disposition": REPLACE_KEYS,
        "columns": columns(id="bigint"),
        **recipe(name),
    }

    @dlt.source(name="web")
    def source() -> Any:
        config = {"client": {"base_url": web.url}, "resources": [rows]}
        return api_resources(config, Manners(patience=HASTE))

    return source()


def counts(target: Target, web: Web, name: str) -> list[tuple[int, int, int, int]]:
    tables = load(rows_of(web, name), target=target).tables
    return [(t.read, t.loaded, t.collapsed, t.rejected) for t in tables]


@pytest.mark.parametrize(("name", "answer"), [("cursor", paging_next), ("POST", searched)])
def test_connections_that_end_after_each_page_are_made_anew(
    duckdb_target: Target, name: str, answer: Any
) -> None:
    with Closing(answer) as web:
        assert counts(duckdb_target, web, name) == WHOLE


@pytest.mark.parametrize("is_cut", [False, True])
def test_compressed_pages_are_read_and_a_cut_one_again(
    duckdb_target: Target, *, is_cut: bool
) -> None:
    def answer(web: Web, asked: Any) -> Any:
        assert "gzip" in asked.headers["Accept-Encoding"]
        body = gzip.compress(json.dumps(paging_next(web, asked)).encode())
        whole = body[: len(body) // 2] if is_cut and len(web.asked) == 2 else body
        return Answer(whole, headers={"Content-Encoding": "gzip"})

    with Web(answer) as web:
        assert counts(duckdb_target, web, "cursor") == WHOLE
    assert len(web.asked) == 3 + is_cut


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    duckdb_target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Web(lambda *_: Answer({}, status=500)) as proxy, Web(paging_next) as web:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert counts(duckdb_target, web, "cursor") == WHOLE
    assert proxy.asked == []


def test_a_proxy_of_the_environment_is_asked_for_other_hosts(
    duckdb_target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Web(paging_next) as proxy:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy.url)
        far = Web(paging_next)
        far.url = "http://api.example"
        assert counts(duckdb_target, far, "cursor") == WHOLE
    assert {one.headers["Host"] for one in proxy.asked} == {"api.example"}


def test_errors_of_graphql_are_told(duckdb_target: Target) -> None:
    answer = {"errors": [{"message": "no field 'nodez'"}], "data": None}
    with (
        Web(lambda *_: answer) as web,
        pytest.raises(LoaderError, match=r"has no 'data.orders.nodes': .*no field 'nodez'"),
    ):
        load(rows_of(web, "GraphQL"), target=duckdb_target)


@pytest.mark.slow
def test_a_page_of_a_hundred_megabytes_arrives(duckdb_target: Target) -> None:
    note = "x" * 1_000
    body = json.dumps([{"id": number, "note": note} for number in range(100_000)]).encode()
    assert len(body) > 100_000_000
    with Web(lambda *_: body) as web:
        assert counts(duckdb_target, web, "all at once") == [(100_000, 100_000, 0, 0)]
    with duckdb_target.connect() as connection:
        sql = "select count(distinct id), sum(length(note)) from raw_web.rows"
        assert connection.execute(sql).fetchall() == [(100_000, 100_000_000)]
