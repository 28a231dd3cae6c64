"""Resources that hang on another one, as in dlt's rest_api: what feeds them, what stops them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from dlt.extract import DltResource, DltSource


def feed_children(resources: Mapping[str, DltResource], declared: Container[str | None]) -> None:
    """Give resources that hang on one of those that declare columns its rows that passed."""
    for resource in resources.values():
        if _parent(resource) in declared:
            resource._pipe.insert_step(_plain_rows, 0)  # noqa: SLF001 - no other way in front


def without(source: DltSource, table: str) -> DltSource | None:
    """Return a source without one of its tables and what hangs on it; None if nothing is left."""
    names = [n for n in source.selected_resources if not _hangs_on(source, n, table)]
    return source.with_resources(*names) if names else None


def _hangs_on(source: DltSource, name: str | None, table: str) -> bool:
    if name is None or name == table:
        return name is not None
    return _hangs_on(source, _parent(source.resources[name]), table)


def _parent(resource: DltResource) -> str | None:
    parent = resource._pipe.parent  # noqa: SLF001 - dlt tells a resource's parent nowhere else
    return str(parent.name) if parent is not None else None


def _plain_rows(item: Any, meta: Any = None) -> Any:
    if meta is not None or item is None:  # rejects have no children
        return None
    return item.to_pylist() if isinstance(item, pa.Table) else item
