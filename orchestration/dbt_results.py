"""What dbt's run_results.json says, in the runner's words: counts, failures, what is left."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

BROKEN: Final = frozenset({"error", "fail", "runtime error", "partial success"})
BUILT: Final = frozenset({"model", "seed", "snapshot"})
TESTS: Final = frozenset({"test", "unit_test"})


def account(results: Mapping[str, Any], places: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """Return what dbt's run_results.json says, in the runner's words.

    Args:
        results: the content of run_results.json.
        places: unique id of a node → what people call it, and the path of its compiled SQL.

    Returns:
        built, skipped, tests_passed, tests_failed, tests_warned: counts; models: name and seconds
        of each, slowest first; failures and warnings: name, kind, message, compiled path,
            and the command that shows the rows, where they were stored.
    """
    target = results.get("args", {}).get("target", "")
    nodes = [_node(entry, places, target) for entry in results["results"]]
    tests = Counter(node["status"] for node in nodes if node["kind"] in TESTS)
    models = [node for node in nodes if node["kind"] in BUILT and node["status"] == "success"]
    slowest = sorted(models, key=lambda node: -node["seconds"])
    return {
        "built": len(models),
        "skipped": sum(node["status"] == "skipped" for node in nodes),
        "tests_passed": tests["pass"] + tests["success"],
        "tests_failed": tests["fail"] + tests["error"],
        "tests_warned": tests["warn"],
        "models": [{"name": node["name"], "seconds": node["seconds"]} for node in slowest],
        "failures": [node for node in nodes if node["status"] in BROKEN],
        "warnings": [node for node in nodes if node["status"] == "warn"],
    }


def _node(
    entry: Mapping[str, Any], places: Mapping[str, tuple[str, str]], target: str
) -> dict[str, Any]:
    kind, _, rest = entry["unique_id"].partition(".")
    message = " ".join(str(entry.get("message") or "").split())
    message = message.partition(" > in macro ")[0].rstrip(".")  # which of dbt's called which
    label, compiled = places.get(entry["unique_id"], (_label(kind, rest), ""))
    return {
        "name": label,
        "kind": kind,
        "status": str(entry["status"]),
        "seconds": round(float(entry["execution_time"]), 3),
        "message": message,
        "rows": entry.get("failures"),
        "compiled": compiled,
        "query": _query(entry, target) if kind == "test" else "",
    }


def _label(kind: str, rest: str) -> str:
    """Name a node that is not among the places, as unit tests are: after what it tests."""
    _, name, *more = rest.split(".")
    return f"{more[-1]} of {name}" if kind == "unit_test" else name


def _query(entry: Mapping[str, Any], target: str) -> str:
    """Return the command that shows a test's rows, where dbt stored them."""
    place = ".".join((entry.get("relation_name") or "").replace('"', "").split(".")[-2:])
    command = f'dbt show --target {target} --inline "select * from {place}"'
    return f"cd dbt_project && {command}" if place else ""


def sentence(detail: Mapping[str, Any]) -> str:
    """Say in one sentence what failed, what is safe, and where to look."""
    failures = detail["failures"]
    first = failures[0]
    if first["kind"] in TESTS:
        count = first["rows"]
        rows = (
            f"{count} row{' breaks' if count == 1 else 's break'} it" if count else first["message"]
        )
        what = f"The test '{first['name']}' failed: {rows}."
    else:
        what = f"The {first['kind']} '{first['name']}' could not be built: {first['message']}."
    more = f" {len(failures) - 1} more failed." if len(failures) > 1 else ""
    where = f" Its compiled SQL is {first['compiled']}." if first["compiled"] else ""
    where += f" Its rows: {first['query']}." if first["query"] else ""
    return (
        f"{what}{more}{where} What readers see has not changed; "
        "correct the model or its data, then `tidemill resume` goes on from here."
    )


def undone(results: Mapping[str, Any], parents: Mapping[str, list[str]]) -> list[str]:
    """Return the selection that goes on after a failed build.

    As `dbt retry`, but a failed test brings the models it tests along: whoever corrects such a
    model wants it built again. What stands on any of them was left out and follows.

    Args:
        results: the content of the failed build's run_results.json.
        parents: unique id of a node → those of the nodes it stands on.
    """
    broken = [entry["unique_id"] for entry in results["results"] if entry["status"] in BROKEN]
    wanted = {
        node
        for name in broken
        for node in (parents.get(name, []) if name.partition(".")[0] in TESTS else [name])
    }
    return sorted(f"{_selector(node)}+" for node in wanted)


def _selector(unique_id: str) -> str:
    kind, _, rest = unique_id.partition(".")
    name = rest.partition(".")[2]
    return f"source:{name}" if kind == "source" else name
