"""Keeps a table in a database that others report from: one row for each order."""

from __future__ import annotations

from loaders.profile import var
from loaders.senders.database import DatabaseSender
from loaders.senders.facts import KeyedOutput
from loaders.senders.settings import setting

MODEL = "outputs.out_reporting_db__orders"
KEY = ("order_id",)
TABLE = "orders"


def reporting_db() -> KeyedOutput:
    """Return what is kept there, and where it is."""
    url = setting(
        "reporting_db", "url", default=f"sqlite:///{var() / 'reporting.sqlite'}", secret=True
    )
    sender = DatabaseSender(url=url, table=TABLE, key=KEY)
    return KeyedOutput(model=MODEL, key=KEY, sender=sender)
