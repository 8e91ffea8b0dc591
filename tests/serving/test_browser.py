"""`serve` in a real browser: from the front page to a label and its source, by mouse and by keyboard.

Screenshots are written to the folder that MLHUB_SCREENSHOTS names, for people to look at.
"""

import os
from pathlib import Path

import pytest

from support.chromium import browser_page
from support.served import LABELS, SOURCES, copy_demo, served

TITLE = "document.querySelector('h1').innerText"
UNNAMED = """one => one.type !== 'hidden' && !one.innerText && !one.ariaLabel
  && !(one.labels || []).length && !one.querySelector('img[alt]:not([alt=""])')"""
"""Of controls: what a screen reader could not name."""
pytestmark = pytest.mark.xdist_group("Chromium")


@pytest.fixture
async def mirror(dest):
    await copy_demo(dest)
    return dest


@pytest.fixture
def shoot(tmp_path):
    folder = Path(os.environ.get("MLHUB_SCREENSHOTS") or tmp_path)
    folder.mkdir(exist_ok=True, parents=True)

    async def shoot(page, name):
        (folder / f"{name}.png").write_bytes(await page.screenshot())

    return shoot


def assert_clean(page, http):
    assert page.errors == []
    assert {url for url in page.urls if not url.startswith((http.url, "data:", "about:"))} == set()


async def test_the_mouse_leads_from_the_front_page_to_a_label_its_source_and_a_file(mirror, tmp_path, shoot):
    pytest.importorskip("rasterio")
    async with served(mirror) as http, browser_page(tmp_path / "profile") as page:
        await page.open(f"{http.url}/")
        await shoot(page, "front")
        await page.click(f"a[href*='collection={LABELS}']")
        assert await page.value(TITLE) == LABELS
        assert await page.pictures_loaded() == 4
        await shoot(page, "collection")
        await page.click(".cards-of-items a")
        label = await page.value(TITLE)
        assert label.startswith(f"{LABELS}_") and await page.pictures_loaded() == 3
        assert "Cultivated Vegetation" in await page.value("document.body.innerText")
        await shoot(page, "label")
        await page.click(f".pictures a[href*='item={SOURCES}_']")
        assert (await page.value(TITLE)).startswith(f"{SOURCES}_")
        assert await page.pictures_loaded() > 10
        await shoot(page, "source")
        await page.click(f"a[href*='item={label}']")
        assert await page.value(TITLE) == label
        await page.click(".pictures a[href*='key=labels']")
        assert await page.value("document.images[0].naturalWidth") == 256
        assert_clean(page, http)


async def test_the_keyboard_leads_from_the_front_page_to_a_label_and_its_source(mirror, tmp_path):
    async with served(mirror) as http, browser_page(tmp_path / "profile") as page:
        await page.open(f"{http.url}/")
        await page.press("Tab")
        assert await page.value("document.activeElement.className") == "skip"
        await page.focus_by_keyboard(f"(focused.href || '').includes('collection={LABELS}')")
        assert await page.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        await page.press("Enter", leads_away=True)
        await page.focus_by_keyboard("(focused.href || '').includes('item=')")
        await page.press("Enter", leads_away=True)
        assert (await page.value(TITLE)).startswith(f"{LABELS}_")
        await page.focus_by_keyboard(f"(focused.href || '').includes('item={SOURCES}_')")
        await page.press("Enter", leads_away=True)
        assert (await page.value(TITLE)).startswith(f"{SOURCES}_")
        assert_clean(page, http)


async def test_the_skip_link_and_landmarks_lead_past_the_navigation(mirror, tmp_path):
    async with served(mirror) as http, browser_page(tmp_path / "profile") as page:
        for target in ("/.mlhub/browse", f"/.mlhub/browse?collection={LABELS}"):
            await page.open(http.url + target)
            await page.press("Tab")
            await page.press("Enter")
            assert await page.until("document.activeElement.id") == "main"
            counts = await page.value(
                "['main', 'header', 'nav', 'h1'].map(one => document.querySelectorAll(one).length)"
            )
            assert counts[0] == counts[1] == counts[3] == 1 and counts[2] >= 1
            controls = "[...document.querySelectorAll('a, button, input')]"
            assert await page.value(f"{controls}.filter({UNNAMED}).length") == 0
        assert_clean(page, http)


@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_axe_finds_nothing_serious(mirror, tmp_path, colours):
    label = f"{LABELS}_29NMG_12"
    targets = ["", f"?collection={LABELS}", f"?collection={LABELS}&item={label}", f"?collection={SOURCES}"]
    async with served(mirror) as http, browser_page(tmp_path / "profile") as page:
        await page.set_colours(colours)
        for target in targets:
            await page.open(f"{http.url}/.mlhub/browse{target}")
            assert await page.serious_findings() == [], target
        assert_clean(page, http)
