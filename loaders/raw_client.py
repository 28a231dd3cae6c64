"""dlt's client of the warehouse, for the threads in which tables are read side by side."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from dlt import Pipeline

_OPENING: Final = Lock()


def sql_client(pipeline: Pipeline) -> Any:
    """Return dlt's SQL client, to be used with `with`.

    dlt sets its settings' section meanwhile, which all these threads share: two that did so at once
    would find each other's, and the load would fail.
    """
    with _OPENING:
        return pipeline.sql_client()
