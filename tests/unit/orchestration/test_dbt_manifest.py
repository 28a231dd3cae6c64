"""A selection is narrowed to what has something new, and widened to what was never built."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from orchestration.dbt_manifest import narrowed, relations


def model(name: str, *stands_on: str, materialized: str = "table") -> SimpleNamespace:
    return SimpleNamespace(
        resource_type="model",
        schema="marts",
        alias=name,
        config=SimpleNamespace(materialized=materialized),
        depends_on=SimpleNamespace(nodes=list(stands_on)),
    )


MANIFEST = SimpleNamespace(
    sources={f"s.{name}": SimpleNamespace(source_name=name) for name in ("api", "queue", "files")},
    nodes={
        "m.inner": model("inner", "s.queue", materialized="ephemeral"),
        "m.users": model("users", "s.api"),
        "m.orders": model("orders", "m.inner", "m.users"),
        "m.events": model("events", "s.files"),
    },
    unit_tests={},
)
ALL_THERE = {"marts.orders", "marts.users", "marts.events"}
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


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({"marts.orders", "marts.users"}, "source:queue+"),
        ({"marts.orders", "marts.events"}, ""),
        ({"marts.users", "marts.events"}, "source:queue+"),
        (set(), ""),
    ],
)
def test_all_is_built_where_a_model_that_is_needed_never_was(
    there: set[str], expected: str
) -> None:
    assert narrowed(MANIFEST, STREAMED, {"queue"}, there) == expected


def test_what_models_are_called_where_they_are_built() -> None:
    assert relations(MANIFEST, MANIFEST.nodes) == ALL_THERE
    assert relations(MANIFEST, ["m.users", "m.inner"]) == {"marts.users"}
