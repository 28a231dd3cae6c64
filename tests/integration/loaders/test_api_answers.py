"""What an API answers is read whatever it is called; what is no page is told, and never an end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from loaders.errors import LoaderError
from tests.integration.loaders.web import Answer, Web
from tests.integration.loaders.web_source import ONE, counts, fetch, loaded

if TYPE_CHECKING:
    from loaders.warehouse import Target


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer({"error": "try later"}), r"has no 'items': {\"error\":\"try later\"}"),
        (Answer(b"<h1>Soon</h1>", headers={"Content-Type": "text/html"}), "text/html in place of"),
        (Answer(b'{"items": [{"id"'), r"begins '{\"items\": \[{\"id\"', is cut off or broken"),
        (Answer({"why": "bad"}, status=422), r"HTTP 422 at .*api_key=\*\*\*': {\"why\": \"bad\"}"),
    ],
)
def test_what_is_no_page_is_told_and_is_no_end(
    duckdb_target: Target, answer: Answer, told: str
) -> None:
    with Web(lambda *_: answer) as web, pytest.raises(LoaderError, match=told) as error:
        loaded(duckdb_target, web, {**ONE, "params": {"api_key": "hidden"}})
    assert "hidden" not in str(error.value)


@pytest.mark.parametrize(
    ("answer", "endpoint"),
    [
        (Answer(status=204), ONE),
        (Answer({"items": []}), ONE),
        (Answer({"items": None}), ONE),
        (Answer({"kind": "list"}), {**ONE, "data_selector": "items[*]"}),
    ],
)
def test_an_empty_page_is_one(
    duckdb_target: Target, answer: Answer, endpoint: dict[str, Any]
) -> None:
    with Web(lambda *_: answer) as web:
        assert counts(loaded(duckdb_target, web, endpoint)) == []


@pytest.mark.parametrize(
    "body",
    [
        Answer('{"items": [{"id": 1, "name": "Größe"}]}'.encode("latin-1")),
        Answer('\ufeff{"items": [{"id": 1, "name": "Größe"}]}'.encode()),
    ],
)
def test_texts_arrive_in_any_encoding(duckdb_target: Target, body: Answer) -> None:
    kind = "application/json" + ("" if b"\xef" in body.body else "; charset=ISO-8859-1")
    with Web(lambda *_: body._replace(headers={"Content-Type": kind})) as web:
        loaded(duckdb_target, web)
    assert fetch(duckdb_target, "select name from raw_web.rows") == [("Größe",)]


LINES = b'{"id": 1, "name": "a,b"}\n{"id": 2, "name": "c"}\n'
TABLE = b'id,name\n1,"a,b"\n2,c\n'


@pytest.mark.parametrize(
    ("body", "kind", "asked"),
    [
        (LINES, "text/plain", "application/x-ndjson"),
        (LINES, "application/json", "application/x-ndjson"),
        (LINES, "application/json-seq", None),
        (TABLE, "application/octet-stream", "text/csv"),
        (TABLE.replace(b",", b"\t").replace(b"a\tb", b"a,b"), "text/tab-separated-values", None),
        ('id;name\r\n1;"a,b"\r\n2;c\r\n'.encode("utf-16"), "text/csv; charset=utf-16", None),
    ],
)
def test_lines_and_csv_are_read_by_whatever_name(
    duckdb_target: Target, body: bytes, kind: str, asked: str | None
) -> None:
    headers = {"headers": {"Accept": asked}} if asked else {}
    endpoint = {"path": "rows", "paginator": "single_page", **headers}
    with Web(lambda *_: Answer(body, headers={"Content-Type": kind})) as web:
        assert counts(loaded(duckdb_target, web, endpoint)) == [(2, 2, 0, 0)]
    sql = "select id, name from raw_web.rows order by id"
    assert fetch(duckdb_target, sql) == [(1, "a,b"), (2, "c")]


def test_a_page_for_people_is_no_csv_though_csv_was_asked_for(duckdb_target: Target) -> None:
    page = Answer(b"<h1>Soon</h1>", headers={"Content-Type": "text/html"})
    endpoint = {"path": "rows", "paginator": "single_page", "headers": {"Accept": "text/csv"}}
    with Web(lambda *_: page) as web, pytest.raises(LoaderError, match="text/html in place of"):
        loaded(duckdb_target, web, endpoint)


def test_csv_is_read_whatever_its_texts_hold(duckdb_target: Target) -> None:
    long = "x" * 200_000
    body = f"id,name,name,name_2\r\n1,a\u2028\x85\x0bb,c,e\r\n2,{long},d,f\r\n".encode()
    answers = [Answer(body, headers={"Content-Type": "text/csv"})]
    answers += [Answer(b"", headers={"Content-Type": "text/csv"})]
    with Web(lambda web, _: answers[len(web.asked) - 1]) as web:
        endpoint = {"path": "rows", "paginator": "single_page"}
        assert counts(loaded(duckdb_target, web, endpoint)) == [(2, 2, 0, 0)]
        assert counts(loaded(duckdb_target, web, endpoint)) == []
    sql = "select id, name, name_2, name_2_2 from raw_web.rows order by id"
    assert fetch(duckdb_target, sql) == [(1, "a\u2028\x85\x0bb", "c", "e"), (2, long, "d", "f")]
