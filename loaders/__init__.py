"""All that moves rows in or out of the warehouse."""

from __future__ import annotations

from typing import Final

SOURCES: Final = {
    "shop_api": "loaders.sources.shop_api",
    "shop_db": "loaders.sources.shop_db",
    "event_files": "loaders.sources.event_files",
    "payment_queue": "loaders.sources.payment_queue",
    "intake": "loaders.sources.intake",
}
"""Each source system and the module that reads it; the module holds a function of the same name."""

OUTPUTS: Final = {
    "crm_users": "loaders.outputs.crm_users",
    "sales_files": "loaders.outputs.sales_files",
    "reporting_db": "loaders.outputs.reporting_db",
}
"""Each place that results go to and the module that knows how to send there."""
