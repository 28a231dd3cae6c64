"""What dbt's manifest says: which models stand on which sources, and what each is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path


def narrowed(
    manifest: Any, selection: str, changed: Collection[str] | None, there: Collection[str]
) -> str | None:
    """Return what of a selection is to be built, as `dbt build --select` takes it.

    Args:
        manifest: of the whole project.
        selection: '' for all, or words as `dbt --select` takes them.
        changed: names of the sources with something new; None: build it whatever is new.
        there: the warehouse's tables and views, each as `<schema>.<name>`.

    Returns:
        '' for all models; None when nothing of it has anything new. Of a selection of whole
        sources, those that changed; all models while one beside them that they need was never
        built.
    """
    everything = {f"source:{name}+" for name in sources(manifest)}
    wanted = set(selection.split()) or everything
    if not wanted <= everything or (changed is None and not selection):
        return selection
    if changed is not None:
        wanted &= {f"source:{name}+" for name in changed}
    chosen = {word.removeprefix("source:").removesuffix("+") for word in wanted}
    if not _needed(manifest, chosen) <= set(there):
        return ""
    return " ".join(sorted(wanted)) or None


def sources(manifest: Any) -> set[str]:
    """Return the names of the sources."""
    return {str(source.source_name) for source in manifest.sources.values()}


def _needed(manifest: Any, chosen: Collection[str]) -> set[str]:
    """Return the tables and views of the models that those on these sources need beside them."""
    stands_on = parents(manifest)
    begin = {name for name, each in manifest.sources.items() if each.source_name in chosen}
    below = _grown(begin, lambda found: {n for n, on in stands_on.items() if found & set(on)})
    every = _grown(below, lambda found: {on for n in found for on in stands_on.get(n, ())})
    return relations(manifest, every - below)


def relations(manifest: Any, names: Collection[str]) -> set[str]:
    """Return the tables and views of those of these nodes that are models."""
    return {
        f"{node.schema}.{node.alias}"
        for name, node in manifest.nodes.items()
        if name in names
        and node.resource_type == "model"
        and node.config.materialized != "ephemeral"
    }


def _grown(found: set[str], more: Callable[[set[str]], set[str]]) -> set[str]:
    """Return a set with what it leads to, and what that leads to, until nothing is added."""
    while not (new := more(found)) <= found:
        found = found | new
    return found


def parents(manifest: Any) -> dict[str, list[str]]:
    """Return unique id of a node → those of the nodes it stands on."""
    nodes = {**manifest.nodes, **manifest.unit_tests} if manifest else {}
    return {
        name: list(getattr(node.depends_on, "nodes", ()))  # a seed stands on macros only
        for name, node in nodes.items()
    }


def places(manifest: Any, artifacts: Path) -> dict[str, tuple[str, str]]:
    """Return for each node what people call it, and the path of its compiled SQL."""
    nodes = manifest.nodes.values() if manifest else ()
    return {
        node.unique_id: (_label(node), str(_compiled_path(node, artifacts / "compiled")))
        for node in nodes
    }


def _label(node: Any) -> str:
    """Name a test by what it tests: dbt's own name for it carries all its arguments."""
    told = getattr(node, "test_metadata", None)
    where = str(getattr(node, "attached_node", "") or "").rpartition(".")[2]
    if not told or not where:
        return str(node.name)
    column = getattr(node, "column_name", None)
    return f"{told.name} of {where}{'.' + column if column else ''}"


def _compiled_path(node: Any, folder: Path) -> Path:
    """A test that is told in YAML is compiled to a file of its own, under the YAML's name."""
    path: Path = folder / node.package_name / node.original_file_path
    return path / node.path if path.suffix in {".yml", ".yaml"} else path
