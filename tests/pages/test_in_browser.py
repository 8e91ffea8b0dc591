"""A report in Chromium: no request, no error, by keyboard and on paper; axe-core finds nothing serious.

npm pack axe-core && tar xf axe-core-*.tgz
AXE_CORE=package/axe.min.js python -m pytest tests/pages/test_in_browser.py
"""

import os
from pathlib import Path

import pytest

import mlhub_async
from support.chromium import browser_page
from support.engine import run
from support.mirrored import Mirrored, publish
from support.stac_server import stac_item, static_catalog

HOSTILE = '"><img src=x onerror=alert(1)>'
SERIOUS = """axe.run(document).then(found => found.violations
  .filter(one => ['serious', 'critical'].includes(one.impact))
  .map(one => one.id + ': ' + one.nodes.map(node => node.html).slice(0, 3).join(' ')))"""
CLOSED = "document.querySelectorAll('details:not([open])').length"


@pytest.fixture
async def report(troubled, tmp_path):
    """The address of the report of a mirror that lacks an asset, and the mirror."""
    site = await troubled.site()
    dest = tmp_path / "mirror"
    labels = {"label:overviews": [{"property_key": "k", "counts": [{"name": "water", "count": 3}]}]}
    items = publish(site, ["one", "two", HOSTILE])
    items += [
        stac_item("label", data=site.put("/label.bin", b"1"), properties=labels),
        stac_item("gone", data=site.url("/gone.tif")),
        stac_item("elsewhere", "c2", data=site.put("/e.bin", b"123")),
    ]
    items[0]["geometry"] = {
        "type": "Polygon",
        "coordinates": [[[179, 0], [-179, 0], [-179, 1], [179, 1], [179, 0]]],
    }
    await run(static_catalog(site, items), dest)
    (tmp_path / "page.html").write_text(mlhub_async.report_page(dest))
    return (tmp_path / "page.html").as_uri(), Mirrored(dest)


@pytest.fixture
def axe() -> str:
    source = Path(os.environ.get("AXE_CORE", ""))
    if not source.is_file():
        pytest.skip("axe-core is not here: see the first lines of this file")
    return source.read_text()


async def look(page, colours: str, media: str = "screen") -> None:
    features = [{"name": "prefers-color-scheme", "value": colours}]
    await page.call("Emulation.setEmulatedMedia", media=media, features=features)


async def test_the_page_asks_for_nothing_and_says_what_the_mirror_says(report, tmp_path):
    address, mirrored = report
    async with browser_page(tmp_path / "profile") as page:
        await page.open(address)
        assert page.errors == []
        assert [url for url in page.urls if url != address and not url.startswith("data:")] == []
        text = await page.value("document.body.textContent")
        assert mirrored.receipt["manifest_sha256"] in text and "c1" in text and "c2" in text
        assert await page.value("document.querySelectorAll('tr.failure').length") == len(mirrored.errors) == 2
        assert await page.value("document.querySelectorAll('img').length") == 0 and HOSTILE in text


async def test_it_is_read_and_opened_by_keyboard(report, tmp_path):
    async with browser_page(tmp_path / "profile") as page:
        await page.open(report[0])
        await page.press("Tab")
        assert await page.value("document.activeElement.textContent") == "Skip to the content"
        closed = await page.value(CLOSED)
        await page.focus_by_keyboard("focused.tagName === 'SUMMARY'")
        await page.press("Enter")
        assert await page.value(CLOSED) == closed - 1


async def test_on_paper_everything_is_open_and_afterwards_as_before(report, tmp_path):
    async with browser_page(tmp_path / "profile") as page:
        await page.open(report[0])
        await page.value("addEventListener('beforeprint', () => { window.closedOnPaper = " + CLOSED + " })")
        closed = await page.value(CLOSED)
        await page.call("Page.printToPDF")
        assert closed > 0 and await page.value("window.closedOnPaper") == 0
        assert await page.value(CLOSED) == closed and page.errors == []


@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_axe_finds_nothing_serious(report, axe, tmp_path, colours):
    async with browser_page(tmp_path / "profile") as page:
        await look(page, colours)
        await page.open(report[0])
        await page.value(axe + "; 0")
        assert await page.value(SERIOUS) == []
