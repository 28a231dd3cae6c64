"""How rows are merged into a raw table, as dlt write dispositions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dlt.common.schema.typing import TWriteDispositionConfig

REPLACE_KEYS: Final[TWriteDispositionConfig] = {
    "disposition": "merge",
    "strategy": "delete-insert",
}
"""A row takes the place of the one with its key; of two in one load the latest is taken."""

KEEP_FIRST: Final[TWriteDispositionConfig] = {"disposition": "merge", "strategy": "insert-only"}
"""A row whose key is there already is left out."""
