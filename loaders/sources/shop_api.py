"""The shop's web API: users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import dlt

from loaders.columns import columns, latest_first
from loaders.dispositions import REPLACE_KEYS
from loaders.readers.api import api_resources
from loaders.readers.session import Manners

if TYPE_CHECKING:
    from dlt.extract import DltResource

USERS: Final = columns(
    id="bigint",
    email="text",
    first_name="text",
    last_name="text",
    phone="text",
    country_code="text",
    is_marketing_opt_in="boolean",
    created_at="timestamp",
    updated_at="timestamp",
)
USERS_AT_ONCE: Final = 500
USERS_AT_MOST: Final = 1_000
"""The API refuses to give more in one page."""


@dlt.source
def shop_api(
    base_url: str = dlt.config.value,
    token: str = dlt.secrets.value,
    batch_size: int = USERS_AT_ONCE,
    calls_a_second: float | None = None,
) -> list[DltResource]:
    """Read the users that changed since the last load, page by page.

    Args:
        base_url: where the API is, without a path.
        token: bearer token.
        batch_size: users asked for in one page.
        calls_a_second: how often the API may be asked; by default as fast as it answers.
    """
    return api_resources(
        {
            "client": {
                "base_url": base_url,
                "auth": {"type": "bearer", "token": token},
                "paginator": {
                    "type": "cursor",
                    "cursor_path": "next_cursor",
                    "cursor_param": "cursor",
                },
            },
            "resources": [
                {
                    "name": "users",
                    "primary_key": "id",
                    "write_disposition": REPLACE_KEYS,
                    "columns": latest_first(USERS, "updated_at"),
                    "endpoint": {
                        "path": "users",
                        "params": {
                            "limit": min(batch_size, USERS_AT_MOST),
                            "updated_since": "{incremental.start_value}",
                        },
                        "incremental": {"cursor_path": "updated_at"},
                        "data_selector": "items",
                    },
                }
            ],
        },
        Manners(rate=calls_a_second),
    )


if __name__ == "__main__":
    from loaders.script import main

    main("shop_api")
