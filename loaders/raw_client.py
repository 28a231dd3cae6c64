"""The pipeline of a load, and its clients of the warehouse, for tables read side by side."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext

if TYPE_CHECKING:
    from dlt import Pipeline

_OPENING: Final = Lock()
"""dlt sets its settings' section while it makes a client, and all these threads share it: of two
that did so at once one would find the other's, and the load would fail."""


def current_pipeline() -> Pipeline:
    """Return the pipeline that runs now; `dlt.current.pipeline()` resolves its settings anew."""
    return Container()[PipelineContext].pipeline()  # type: ignore[return-value]


def sql_client(pipeline: Pipeline) -> Any:
    """Return dlt's SQL client, to be used with `with`."""
    with _OPENING:
        return pipeline.sql_client()


def destination_client(pipeline: Pipeline) -> Any:
    """Return dlt's client of the destination, to be used with `with`."""
    with _OPENING:
        return pipeline.destination_client()
