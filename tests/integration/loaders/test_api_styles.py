"""APIs of every style give each of their rows once."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

import dlt
import pytest

from loaders.columns import columns
from loaders.cursor import as_iso
from loaders.dispositions import REPLACE_KEYS
from loaders.errors import LoaderError, SourceRefused, SourceUnreachable
from loaders.load import load
from tests.integration.loaders.api_styles import (
    ROWS,
    STYLES,
    paging_next,
    recipe,
    recipes,
    start_at,
)
from tests.integration.loaders.web import Answer, Web
from tests.integration.loaders.web_source import ONE, counts, fetch, loaded

if TYPE_CHECKING:
    from loaders.warehouse import Target


@pytest.mark.parametrize(("name", "answer"), STYLES)
def test_each_style_gives_all_its_rows(duckdb_target: Target, name: str, answer: Any) -> None:
    with Web(answer) as web:
        result = loaded(duckdb_target, web, **recipe(name))
    assert counts(result) == [(250, 250, 0, 0)]
    found = fetch(duckdb_target, "select id, name from raw_web.rows order by id")
    assert found == [(row["id"], row["name"]) for row in ROWS]


def test_every_recipe_is_tried() -> None:
    here = {"one object", "numbered", "since", "child"}
    assert recipes("recipe").keys() == {name for name, _ in STYLES} | here


@pytest.mark.parametrize("name", recipes("auth"))
def test_each_way_to_say_who_we_are_is_understood(duckdb_target: Target, name: str) -> None:
    known = {
        "bearer": "Bearer hidden",
        "key in a header": "hidden",
        "key in the address": "hidden",
        "user and password": "Basic dXM6aGlkZGVu",
        "client credentials": "Bearer short",
    }

    def answer(_web: Web, asked: Any) -> Any:
        if asked.path == "/oauth/token":
            return {"access_token": "short"} if b"client_secret=hidden" in asked.body else None
        said = asked.headers["X-Api-Key"] or asked.query.get("apikey")
        said = said or asked.headers["Authorization"]
        return {"items": [{"id": "x"}]} if said == known[name] else Answer({}, status=401)

    with Web(answer) as web:
        client = recipe(name, "auth", token="hidden", base_url=web.url)
        assert counts(loaded(duckdb_target, web, client=client)) == [(1, 0, 0, 1)]
    ((origin,),) = fetch(duckdb_target, "select origin from raw_web._rejects")
    assert "hidden" not in origin


def test_a_list_that_moves_is_read_by_its_numbers(duckdb_target: Target) -> None:
    names = {
        "__name__": __name__,
        "dlt": dlt,
        "columns": columns,
        "REPLACE_KEYS": REPLACE_KEYS,
        "token": "x",
    }
    with Web(start_at) as web:
        names["base_url"] = web.url
        exec(recipes("recipe")["numbered"], names)  # noqa: S102 - our own page
        assert counts(
            load(dlt.source(lambda: names["issues"], name="web")(), target=duckdb_target)
        ) == [(250, 250, 0, 0)]


def test_numbers_arrive_as_they_are_written(target: Target) -> None:
    text = (
        b'{"items": [{"id": 9007199254740993, "exact": 0.12345678901234567890, "much": 1e400,'
        b' "count": 12345678901234567890123, "share": NaN, "cents": 1.10}]}'
    )
    declared = columns(id="bigint", exact="decimal(38, 20)", cents="decimal(18, 2)")
    with Web(lambda *_: text) as web:
        loaded(target, web, columns=declared)
    sql = "select id, exact::varchar, count, much, share, cents::varchar from raw_web.rows"
    written = ("0.12345678901234567890", "12345678901234567890123", "1E+400", "NaN", "1.10")
    assert fetch(target, sql) == [(9007199254740993, *written)]


def test_names_of_any_kind_are_columns(target: Target) -> None:
    row = {"id": 1, "a.b": 1, "with blank": 2, "größe": 3, "Name": "x", "name": "y", "$": 4}
    row |= {f"c{number}": number for number in range(200)}
    with Web(lambda *_: {"items": [row, {"id": 2, "a.b": "two", "only": None}]}) as web:
        assert counts(loaded(target, web)) == [(2, 2, 0, 0)]
    sql = "select a_b, with_blank, grosse, name, name_2, c199 from raw_web.rows order by id"
    assert fetch(target, sql) == [("1", "2", "3", "y", "x", "199"), ("two", *[None] * 5)]


def test_what_is_no_object_is_rejected(duckdb_target: Target) -> None:
    with Web(lambda *_: {"items": ["ab", 1, None, [2], {"id": 3}]}) as web:
        assert counts(loaded(duckdb_target, web)) == [(5, 1, 0, 4)]
    sql = "select payload, reason from raw_web._rejects order by payload"
    texts = ('"ab"', "1", "[2]", "null")
    assert fetch(duckdb_target, sql) == [(text, "not a JSON object") for text in texts]


def test_a_bad_row_that_comes_twice_is_one_reject(target: Target) -> None:
    with Web(lambda *_: {"items": [{"id": "x"}, {"id": "x"}, {"id": "y"}]}) as web:
        assert counts(loaded(target, web)) == [(3, 0, 1, 2)]
        assert counts(loaded(target, web)) == [(3, 0, 3, 0)]
    sql = "select count(*), count(distinct reject_id) from raw_web._rejects"
    assert fetch(target, sql) == [(2, 2)]


def test_an_answer_whose_rows_are_not_named_is_not_guessed_at(duckdb_target: Target) -> None:
    endpoint = {"path": "rows", "paginator": "single_page"}
    with Web(lambda *_: {"id": 1, "tags": ["a"]}) as web:
        with pytest.raises(SourceUnreachable, match="has no list"):
            loaded(duckdb_target, web, endpoint)
        with pytest.raises(LoaderError, match="'rows' has no paginator"):
            loaded(duckdb_target, web, {"path": "rows"})
        assert counts(loaded(duckdb_target, web, **recipe("one object"))) == [(1, 1, 0, 0)]


def test_a_page_that_comes_for_ever_is_told(duckdb_target: Target) -> None:
    pages = {"type": "page_number", "base_page": 1, "total_path": None}
    with Web(lambda *_: {"items": ROWS[:3]}) as web:
        with pytest.raises(SourceRefused, match="the same 3 rows came 3 times"):
            loaded(duckdb_target, web, {**ONE, "paginator": pages})
        assert len(web.asked) == 3


def test_a_limit_that_is_told_by_403_is_kept_to(duckdb_target: Target) -> None:
    told = [
        Answer({"message": "secondary"}, status=403, headers={"Retry-After": "0.1"}),
        Answer(
            {},
            status=403,
            headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1767225600"},
        ),
        Answer({}, status=429),
        Answer(status=302, headers={"Location": "/elsewhere"}),
    ]
    with Web(lambda web, _: [*told, {"items": ROWS}][len(web.asked) - 1]) as web:
        assert counts(loaded(duckdb_target, web, at_once=1)) == [(250, 250, 0, 0)]
    assert [one.path for one in web.asked] == ["/rows"] * 4 + ["/elsewhere"]


def test_a_token_that_expires_while_pages_are_read_is_renewed(duckdb_target: Target) -> None:
    tokens: list[str] = []

    def answer(web: Web, asked: Any) -> Any:
        if asked.path == "/oauth/token":
            assert b"client_secret=hidden" in asked.body
            tokens.append(f"t{len(tokens)}")
            return {"access_token": tokens[-1], "expires_in": 3600}
        if asked.headers["Authorization"] != f"Bearer {tokens[-1]}" or len(web.asked) == 4:
            tokens.append("revoked")
            return Answer({}, status=401)
        return paging_next(web, asked)

    with Web(answer) as web:
        client = recipe("client credentials", "auth", token="hidden", base_url=web.url)
        assert counts(loaded(duckdb_target, web, client=client, **recipe("cursor"))) == [
            (250, 250, 0, 0)
        ]
    assert tokens == ["t0", "revoked", "t2"]


def test_a_secret_is_not_carried_to_another_host(duckdb_target: Target) -> None:
    with Web(lambda *_: {"items": ROWS}) as other:
        place = other.url.replace("127.0.0.1", "localhost") + "/rows"
        with Web(lambda *_: Answer(status=307, headers={"Location": place})) as web:
            auth = {"type": "api_key", "name": "X-Api-Key", "api_key": "hidden"}
            loaded(duckdb_target, web, client={"auth": auth})
        assert web.asked[0].headers["X-Api-Key"] == "hidden"
        assert other.asked[0].headers["X-Api-Key"] is None


def test_a_child_that_is_gone_leaves_the_others(duckdb_target: Target) -> None:
    def answer(_web: Web, asked: Any) -> Any:
        if asked.path == "/rows":
            return {"items": ROWS[:4]}
        parent = int(asked.path.split("/")[2])
        return Answer([{"id": parent * 10}], status=404 if parent == 2 else 200)

    child = recipe("child")
    with Web(answer) as web:
        for _ in range(2):
            loaded(duckdb_target, web, more=(child,), columns=columns(id="bigint", name="text"))
    found = fetch(duckdb_target, "select id, _rows_name from raw_web.notes order by id")
    assert found == [("0", "row 0"), ("10", "row 1"), ("30", "row 3")]


@pytest.mark.parametrize("is_inclusive", [True, False])
def test_what_changes_in_the_same_second_is_read_at_either_boundary(
    target: Target, *, is_inclusive: bool
) -> None:
    rows = [{"id": number, "updated": 1767225600 + number} for number in range(5)]

    def answer(_web: Web, asked: Any) -> Any:
        since = int(asked.query["since"])
        return {"items": [r for r in rows if r["updated"] >= since + (not is_inclusive)]}

    wanted = recipe("since")
    wanted["endpoint"]["incremental"]["lag"] = 0 if is_inclusive else 1
    with Web(answer) as web:
        assert sum(t.loaded for t in loaded(target, web, **wanted).tables) == 5
        rows.append({"id": 5, "updated": rows[-1]["updated"]})
        assert sum(t.loaded for t in loaded(target, web, **wanted).tables) == 1
    newest = fetch(target, "select max(updated) from raw_web.rows")[0][0]
    assert as_iso(newest.astimezone(UTC)) == "2026-01-01T00:00:04+00:00"
