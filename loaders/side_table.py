"""A second table that a dlt resource writes to, beside its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlt.extract import DltResource


def add_table(resource: DltResource, name: str, hints: Mapping[str, Any]) -> None:
    """Let a resource write to another table, by `dlt.mark.with_table_name(rows, name)`.

    dlt begins the hints of such a table with those of the resource: they are taken off first.
    """
    resource.apply_hints(
        table_name=name, columns={}, primary_key=(), merge_key=(), create_table_variant=True
    )
    resource.apply_hints(table_name=name, **hints, create_table_variant=True)
