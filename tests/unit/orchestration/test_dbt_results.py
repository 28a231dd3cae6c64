"""What dbt's results say is counted, named, and turned into what to build next."""

from __future__ import annotations

from typing import Any

from orchestration import dbt_results

PLACES = {"test.shop.unique_users.1": ("unique of users.id", "/compiled/unique.sql")}
PARENTS = {
    "test.shop.unique_users.1": ["model.shop.users"],
    "test.shop.fresh.2": ["source.shop.shop_api.users"],
}


def result(unique_id: str, status: str, seconds: float = 0.1, **more: Any) -> dict[str, Any]:
    return {"unique_id": unique_id, "status": status, "execution_time": seconds, **more}


RESULTS = {
    "results": [
        result("seed.shop.currencies", "success", 0.2),
        result("model.shop.users", "success", 0.5),
        result("test.shop.unique_users.1", "fail", message="Got 2 results", failures=2),
        result("test.shop.not_null_users.3", "pass"),
        result("unit_test.shop.users.spells", "success"),
        result("test.shop.odd.4", "warn", failures=1),
        result("model.shop.orders", "error", message="Binder  Error:\n no column"),
        result("model.shop.sales", "skipped"),
    ]
}


def test_the_account_counts_each_kind() -> None:
    detail = dbt_results.account(RESULTS, PLACES)
    assert (detail["built"], detail["skipped"]) == (2, 1)
    assert (detail["tests_passed"], detail["tests_failed"], detail["tests_warned"]) == (2, 1, 1)
    assert [model["name"] for model in detail["models"]] == ["users", "currencies"]
    assert [node["name"] for node in detail["failures"]] == ["unique of users.id", "orders"]
    assert detail["failures"][0]["compiled"] == "/compiled/unique.sql"


def test_the_sentence_names_the_first_failure_and_counts_the_rest() -> None:
    detail = dbt_results.account(RESULTS, PLACES)
    assert dbt_results.sentence(detail).startswith(
        "The test 'unique of users.id' failed: 2 rows break it. 1 more failed. Its compiled SQL "
        "is /compiled/unique.sql. What readers see has not changed;"
    )


def test_the_rows_of_a_failed_test_are_a_command_away() -> None:
    failed = result("test.shop.a.1", "fail", failures=1, relation_name='"w"."test_failures"."a"')
    detail = dbt_results.account({"results": [failed], "args": {"target": "postgres"}}, {})
    command = 'dbt show --target postgres --inline "select * from test_failures.a"'
    assert f"Its rows: cd dbt_project && {command}. What" in dbt_results.sentence(detail)


def test_a_unit_test_is_named_after_what_it_tests() -> None:
    failed = result("unit_test.shop.users.spells", "fail", message="actual differs")
    detail = dbt_results.account({"results": [failed]}, PLACES)
    assert dbt_results.sentence(detail).startswith("The test 'spells of users' failed: actual")


def test_a_model_that_cannot_be_built_is_told_in_one_line() -> None:
    detail = dbt_results.account({"results": RESULTS["results"][6:]}, {})
    assert dbt_results.sentence(detail).startswith(
        "The model 'orders' could not be built: Binder Error: no column. What"
    )


def test_what_macros_of_dbt_called_each_other_is_left_out() -> None:
    told = "Compilation Error\n no columns\n\n> in macro a (a.sql)\n> called by macro b (b.sql)"
    failed = result("model.shop.orders", "error", message=told)
    detail = dbt_results.account({"results": [failed]}, {})
    assert "could not be built: Compilation Error no columns. What" in dbt_results.sentence(detail)


def test_a_failed_build_goes_on_at_failed_models_and_those_that_failed_tests_look_at() -> None:
    assert dbt_results.undone(RESULTS, PARENTS) == ["orders+", "users+"]
    fresh = {"results": [result("test.shop.fresh.2", "error")]}
    assert dbt_results.undone(fresh, PARENTS) == ["source:shop_api.users+"]


def test_a_build_without_failures_leaves_nothing_undone() -> None:
    assert dbt_results.undone({"results": RESULTS["results"][:2]}, PARENTS) == []
