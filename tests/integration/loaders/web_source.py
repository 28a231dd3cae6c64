"""A source of one table over a server of the tests', loaded as any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dlt

from loaders.columns import columns
from loaders.dispositions import REPLACE_KEYS
from loaders.load import load
from loaders.readers.api import api_resources
from loaders.readers.session import Manners
from tests.integration.loaders.shelf_sources import HASTE

if TYPE_CHECKING:
    from loaders.load import LoadResult
    from loaders.warehouse import Target
    from tests.integration.loaders.web import Web

ID = columns(id="bigint")
ONE = {"path": "rows", "data_selector": "items", "paginator": "single_page"}


def loaded(
    target: Target,
    web: Web,
    endpoint: dict[str, Any] = ONE,
    *,
    client: dict[str, Any] | None = None,
    more: tuple[dict[str, Any], ...] = (),
    at_once: int = 4,
    **settings: Any,
) -> LoadResult:
    """Load one endpoint as the table `rows`; a setting that is None is not set."""
    rows = {
        "name": "rows",
        "primary_key": "id",
        "write_disposition": REPLACE_KEYS,
        "columns": ID,
        "endpoint": endpoint,
        **settings,
    }
    rows = {name: value for name, value in rows.items() if value is not None}
    config = {"client": {"base_url": web.url, **(client or {})}, "resources": [rows, *more]}

    @dlt.source(name="web")
    def source() -> Any:
        return api_resources(config, Manners(patience=HASTE, at_once=at_once))

    return load(source(), target=target)


def counts(result: LoadResult) -> list[tuple[int, int, int, int]]:
    return [(t.read, t.loaded, t.collapsed, t.rejected) for t in result.tables]


def fetch(target: Target, sql: str) -> list[tuple[Any, ...]]:
    with target.connect() as connection:
        return connection.execute(sql).fetchall()
