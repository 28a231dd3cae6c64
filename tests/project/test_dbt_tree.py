"""The dbt project keeps its shape: names, twins, lengths, documentation, access, privacy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from loaders.publish import PUBLISHED

ROOT: Final = Path(__file__).resolve().parents[2]
PROJECT: Final = ROOT / "dbt_project"
MODELS: Final = sorted(PROJECT.glob("models/**/*.sql"))
PERSONAL: Final = re.compile(r"(^|_)(email|first_name|last_name|full_name|phone)$")
LAYERS: Final = {
    "base": r"base_(?P<source>\w+?)__\w+",
    "staging": r"(stg|quarantine)_(?P<source>\w+?)__\w+",
    "intermediate": r"int_\w+__\w+",
    "marts": r"(dim|fct|agg|rpt)_\w+|pending_orders|users_processed",
    "outputs": r"out_\w+__\w+",
}


def told(path: Path) -> dict[str, Any]:
    """What a model's yml says of it."""
    found: dict[str, Any] = yaml.safe_load(path.with_suffix(".yml").read_text())["models"][0]
    return found


def layer(path: Path) -> str:
    return path.relative_to(PROJECT / "models").parts[0]


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_model_is_named_for_its_layer_and_source(path: Path) -> None:
    match = re.fullmatch(LAYERS[layer(path)], path.stem)
    assert match, path
    source = match.groupdict().get("source")
    assert source in (None, path.parent.name)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_model_has_a_twin_that_tells_its_grain(path: Path) -> None:
    model = told(path)
    assert model["name"] == path.stem
    assert model["description"].startswith("One row per ")


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_model_is_short_and_asks_for_no_target(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 80
    assert "target." not in text


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_personal_columns_are_tagged(path: Path) -> None:
    for column in told(path)["columns"]:
        if PERSONAL.search(column["name"]):
            assert "pii" in column.get("config", {}).get("tags", []), column["name"]


@pytest.mark.parametrize(
    "path", [path for path in MODELS if layer(path) == "marts"], ids=lambda path: path.stem
)
def test_a_mart_documents_types_and_constrains_its_columns(path: Path) -> None:
    model = told(path)
    assert model["config"]["group"]
    assert set(model["config"]["tags"]) <= {"hourly", "daily", "monthly"}
    assert all(column["description"] and column["data_type"] for column in model["columns"])
    assert any("constraints" in column for column in model["columns"])
    tests = str(
        [model.get("data_tests"), [column.get("data_tests") for column in model["columns"]]]
    )
    assert "unique" in tests


@pytest.mark.parametrize("source", sorted(PROJECT.glob("models/staging/*")), ids=lambda p: p.name)
def test_a_source_is_a_loader_with_fresh_tables_and_twins(source: Path) -> None:
    facts = yaml.safe_load((source / f"_{source.name}__sources.yml").read_text())["sources"][0]
    assert facts["name"] == source.name
    assert facts["schema"] == f"raw_{source.name}"
    assert facts["config"]["freshness"]["error_after"]
    assert (ROOT / "loaders" / "sources" / f"{source.name}.py").is_file()
    for staged in source.glob("stg_*.sql"):
        twin = staged.with_name(staged.name.replace("stg_", "quarantine_", 1))
        assert f"alias='{staged.stem}'" in twin.read_text()
        assert "every_row_accounted_for" in staged.with_suffix(".yml").read_text()


def test_only_an_output_that_says_why_hands_personal_data_out() -> None:
    handed_out = re.compile(r'^MODEL\b.*= "\w+\.(\w+)"', re.MULTILINE)
    texts = [path.read_text() for path in (ROOT / "loaders" / "outputs").glob("*.py")]
    named = {name for text in texts for name in handed_out.findall(text)}
    assert named, "no output names its model"
    for path in MODELS:
        columns = told(path)["columns"]
        personal = [c["name"] for c in columns if "pii" in c.get("config", {}).get("tags", [])]
        if personal and (path.stem in named or layer(path) == "outputs"):
            assert told(path)["config"]["meta"]["pii_wanted"], (path.stem, personal)


def test_every_exposure_has_an_owner_and_an_address() -> None:
    found = yaml.safe_load((PROJECT / "models/outputs/_exposures.yml").read_text())["exposures"]
    assert {exposure["name"] for exposure in found} >= {"crm_users", "sales_files"}
    for exposure in found:
        assert exposure["owner"]["email"]
        assert exposure["url"]
        assert exposure["depends_on"]


def test_a_macro_does_one_thing_in_under_ten_lines() -> None:
    for path in PROJECT.glob("macros/*.sql"):
        text = re.sub(r"{#-.*?-#}\s*", "", path.read_text(), flags=re.DOTALL)
        for name, body in re.findall(r"{% macro (\w+).*?%}\n(.*?){%-? endmacro", text, re.DOTALL):
            assert body.count("\n") < 10, name


def output_columns(path: Path) -> set[str]:
    """The columns of a model that it computes: what an expression, not a bare column, is called."""
    called = re.findall(
        r"^\s*(?!from|left join|inner join)(.*) as (\w+),?$", path.read_text(), re.MULTILINE
    )
    computed = {name for what, name in called if not re.fullmatch(r"[\w.]+", what.strip())}
    known = {column["name"] for column in told(path)["columns"]}
    return {
        name for name in computed if name[0] != "_" and (name in known or layer(path) != "marts")
    }


@pytest.mark.parametrize(
    "path",
    [path for path in MODELS if layer(path) != "base" and path.stem[:4] != "quar"],
    ids=lambda path: path.stem,
)
def test_every_computed_column_has_a_unit_test(path: Path) -> None:
    tests = yaml.safe_load(path.with_suffix(".yml").read_text()).get("unit_tests", [])
    expected = {name for test in tests for row in test["expect"]["rows"] for name in row}
    assert output_columns(path) <= expected


def test_what_breaks_a_test_is_kept_where_readers_are_not_shown_it() -> None:
    facts = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["data_tests"]["tidemill"]
    assert facts == {"+store_failures": True, "+schema": "test_failures"}
    assert "test_failures" not in PUBLISHED


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_test_with_arguments_has_a_name_for_its_table(path: Path) -> None:
    model = told(path)
    places = [model, *model["columns"]]
    for test in [test for place in places for test in place.get("data_tests", [])]:
        if isinstance(test, dict):
            (facts,) = test.values()
            assert path.stem in facts["name"]
            assert len(facts["name"]) <= 63
