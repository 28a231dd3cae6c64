"""The models' documentation is one page that a browser shows without any network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from playwright.sync_api import sync_playwright

from tests.integration.dbt import raw_tables

if TYPE_CHECKING:
    from tests.integration.dbt.warehouses import Warehouse

CHROMIUM: Final = Path("/usr/bin/chromium")
MODEL: Final = "#!/model/model.tidemill.fct_orders"


@pytest.mark.slow
def test_a_browser_without_network_shows_a_model(duckdb_warehouse: Warehouse) -> None:
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed: apt-get install chromium")
    duckdb_warehouse.clear()
    raw_tables.create(duckdb_warehouse)
    duckdb_warehouse.dbt("docs", "generate", "--static")
    page_file = duckdb_warehouse.directory / "target" / "static_index.html"
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(offline=True).new_page()
        errors: list[str] = []
        asked: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(page_file.as_uri() + MODEL)
        page.get_by_text("One row per clean order").first.wait_for(timeout=60_000)
        browser.close()
    assert errors == []
    assert [url for url in asked if url.startswith("http")] == []
