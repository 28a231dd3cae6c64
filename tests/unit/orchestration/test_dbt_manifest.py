"""A selection is narrowed to what has something new, and widened to what was never built."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from orchestration.dbt_manifest import narrowed


def model(name: str, materialized: str = "table") -> SimpleNamespace:
    return SimpleNamespace(
        resource_type="model",
        schema="marts",
        alias=name,
        config=SimpleNamespace(materialized=materialized),
    )


MANIFEST = SimpleNamespace(
    sources={name: SimpleNamespace(source_name=name) for name in ("api", "queue", "files")},
    nodes={
        "m.orders": model("orders"),
        "m.users": model("users"),
        "m.inner": model("inner", "ephemeral"),
    },
)
ALL_THERE = {"marts.orders", "marts.users"}
STREAMED = "source:queue+ source:files+"


@pytest.mark.parametrize(
    ("selection", "changed", "expected"),
    [
        ("", None, ""),
        ("", {"api"}, "source:api+"),
        ("", set(), None),
        ("", {"intake"}, None),
        (STREAMED, None, "source:files+ source:queue+"),
        (STREAMED, {"queue", "api"}, "source:queue+"),
        (STREAMED, {"api"}, None),
        ("orders+", {"api"}, "orders+"),
        ("orders+", None, "orders+"),
    ],
)
def test_only_what_stands_on_changed_sources(
    selection: str, changed: set[str] | None, expected: str | None
) -> None:
    assert narrowed(MANIFEST, selection, changed, ALL_THERE) == expected


def test_what_was_never_built_is_built_beside_it() -> None:
    there = {"marts.orders"}
    assert narrowed(MANIFEST, STREAMED, {"queue"}, there) == "@source:queue"
    assert narrowed(MANIFEST, "", None, there) == ""
