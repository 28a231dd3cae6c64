"""Writes the daily sales to a file that anyone can open: `agg_daily_sales.csv.gz`."""

from __future__ import annotations

from loaders.profile import var
from loaders.senders.copying import Layout
from loaders.senders.files import FileOutput
from loaders.senders.settings import resolved, setting

MODEL = "marts.agg_daily_sales"
ORDER_BY = ("ordered_on", "currency")


def sales_files() -> FileOutput:
    """Return what is written, and where to."""
    url = setting("sales_files", "url", default=str(var() / "exports"))
    layout = Layout(format="csv", compression="gzip", order_by=ORDER_BY)
    return FileOutput(model=MODEL, url=resolved(url), name="agg_daily_sales", layout=layout)
