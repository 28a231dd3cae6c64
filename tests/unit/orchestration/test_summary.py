"""What a run's summary invites to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestration.settings import read
from orchestration.summary import where_next

if TYPE_CHECKING:
    from typing import Any

    import pytest


def a_run(*kinds: str, published: str | None = None) -> dict[str, Any]:
    detail = {"published": published} if published else None
    steps = [{"kind": kind, "status": "completed", "detail": detail} for kind in kinds]
    return {"steps": steps, "deliveries": []}


def test_after_a_build_by_itself_stands_how_to_publish_it() -> None:
    lines = where_next(a_run("transform"), read("duckdb"))
    assert any("publish lets readers see" in line for line in lines)
    lines = where_next(a_run("transform", "publish"), read("duckdb"))
    assert not any("publish lets readers see" in line for line in lines)


def test_what_was_not_published_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMILL_POSTGRES_DSN", "postgresql://me@localhost/shop")
    settings = read("postgres")
    assert not any("psql" in line for line in where_next(a_run("load"), settings))
    shown = where_next(a_run("publish", published="published"), settings)
    assert any("psql" in line for line in shown)
