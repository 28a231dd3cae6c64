"""Someone with a browser sees whether all is well, starts a run, watches it, and replays."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.orchestration.service.running import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUM = Path("/usr/bin/chromium")
MINUTE = 60_000
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service over a small demo shop that has had one day."""
    from demo.shop import Shop

    var = tmp_path_factory.mktemp("site")
    with Shop(var / "shop", scale=0.05) as shop:
        shop.advance()
        server = Server(var, {**shop.environment(), "OUTPUTS__SALES_FILES__URL": f"{var}/exports"})
        command = [sys.executable, "-m", "orchestration", "run", "daily"]
        done = subprocess.run(
            command, env=server.environment, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        server.start()
        yield server.url
        server.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed: pip install -e '.[dev]'"
    )
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Any, site: str) -> Iterator[Any]:
    """Open pages; whatever the browser complains of, or fetches elsewhere, fails the test."""
    complaints: list[str] = []
    contexts: list[Any] = []

    def go(path: str, viewport: dict[str, int] = DESKTOP, **options: Any) -> Any:
        contexts.append(browser.new_context(viewport=viewport, base_url=site, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: asked.url.startswith(site) or complaints.append(asked.url))
        page.goto(path)
        return page

    yield go
    for context in contexts:
        context.close()
    assert complaints == []


def watch(page: Any) -> None:
    """Wait on a run's page until it has ended well."""
    page.wait_for_url(re.compile(r"/runs/\d{8}-\d{6}-\w+$"))
    page.locator("[role=status]", has_text="done").wait_for(timeout=2 * MINUTE)


def test_a_run_is_started_and_watched_to_its_end(visit: Any) -> None:
    page = visit("/")
    assert page.locator("#verdict").inner_text() == "Your data is all right"
    page.get_by_role("button", name="Run daily").click()
    page.locator("ol.steps .pill.is-running").first.wait_for(timeout=MINUTE)
    watch(page)
    from playwright.sync_api import expect  # waits: the page is fetched once more at the end

    for part in ("ol.steps > li", "ol.steps > li .pill.is-completed", "ol.steps svg.line"):
        expect(page.locator(part)).to_have_count(9)
    assert page.get_by_role("button", name="Resume").count() == 0


def test_the_quarantine_is_looked_at_and_replayed(visit: Any) -> None:
    page = visit("/quarantine")
    page.locator("ul.reasons a").first.click()
    assert page.locator("table.rows tbody tr").count() > 0
    page.go_back()
    page.get_by_role("button", name="Replay").click()
    watch(page)
    assert page.get_by_role("heading", level=1).inner_text() == "replay"


def test_all_of_it_works_without_a_script(visit: Any) -> None:
    page = visit("/", java_script_enabled=False)
    page.get_by_role("button", name="Run pending").click()
    page.wait_for_url(re.compile(r"/runs/\d{8}-"))
    # the page renews itself until the run has ended
    page.locator("[role=status]", has_text="done").wait_for(timeout=2 * MINUTE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(visit: Any, scheme: str) -> None:
    page = visit("/", PHONE, color_scheme=scheme)
    run = page.locator("table a[href^='/runs/']").first.get_attribute("href")
    for path in ("/", "/runs", run, "/quarantine", "/docs"):
        page.goto(path)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width == PHONE["width"], path


def test_the_keyboard_reaches_everything_and_shows_where_it_is(visit: Any) -> None:
    page = visit("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    reached: set[str] = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.innerText || ''").strip())
        shows = page.evaluate(
            "document.activeElement === document.body"
            " || getComputedStyle(document.activeElement).outlineStyle !== 'none'"
        )
        assert shows, page.evaluate("document.activeElement.outerHTML")
    assert {"Run daily", "Run micro_batch", "All runs"} <= reached


def test_a_screen_reader_finds_its_way(visit: Any) -> None:
    page = visit("/")
    levels = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3')].map(heading => +heading.tagName[1])"
    )
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    unnamed = page.evaluate(
        "[...document.querySelectorAll('a,button')].filter(e => !e.innerText.trim()).length"
    )
    assert unnamed == 0
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.locator("table thead th:not([scope])").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(visit: Any, scheme: str) -> None:
    page = visit("/", color_scheme=scheme)
    assert page.evaluate(CONTRAST) == []


CONTRAST = """
() => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(
    v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4
  ).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const weak = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || e.closest('.unseen, svg, .skip') || !e.getClientRects().length) continue;
    const pair = [light(parse(getComputedStyle(e).color)), light(ground(e))];
    const [a, b] = pair.sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) weak.push(e.className + ' ' + e.innerText.slice(0, 30));
  }
  return weak;
}
"""
