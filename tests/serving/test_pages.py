"""`serve`: its pages, from the report to an item with its label, its source and its assets."""

import asyncio
import html
import json
import re
import sys
from urllib.parse import quote, urlencode

import pytest

from support.engine import run
from support.mirrored import Mirrored, publish
from support.served import LABELS, SOURCES, copy_demo, served
from support.server import Status, When, tif
from support.stac_server import stac_item, static_catalog

HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}\u202e%2e%2e/.."


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A mirror of the sample."""
    dest = tmp_path_factory.mktemp("demo") / "mirror"
    asyncio.run(copy_demo(dest))
    return dest


def page_of(collection, item=None, **more):
    fields = {"collection": collection, **({} if item is None else {"item": item}), **more}
    return f"/.mlhub/browse?{urlencode(fields)}"


def links(answer):
    return [html.unescape(one) for one in re.findall(r'href="([^"]+)"', answer.text)]


def images(answer):
    return [html.unescape(one) for one in re.findall(r'<img src="([^"]+)"', answer.text)]


def assert_is_page(answer):
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert '<html lang="en">' in answer.text and 'class="skip" href="#main"' in answer.text


async def test_every_link_leads_from_the_front_page_to_a_label_and_its_source(demo):
    async with served(demo) as http:
        front = await http.get("/")
        assert_is_page(front)
        assert Mirrored(demo).receipt["manifest_sha256"] in front.text
        assert page_of(LABELS) in links(front) and "/.mlhub/browse" in links(front)
        collection = await http.get(page_of(LABELS))
        assert_is_page(collection)
        items = [link for link in links(collection) if "item=" in link]
        assert len(items) == 2 and len(images(collection)) == 4  # a source and a label each
        item = await http.get(items[0])
        assert_is_page(item)
        assert "Label and source" in item.text and "Cultivated Vegetation" in item.text
        sources = [link for link in links(item) if SOURCES in link and "browse" in link]
        assert len(sources) == 2
        source = await http.get(sources[0])
        assert_is_page(source)
        assert "true colour (B04, B03, B02)" in source.text
        assert re.search(r"<dt>eo:cloud_cover</dt><dd>\d+\.\d+</dd>", source.text)
        assert items[0] in links(source)  # "Items that link to this one"
        for one in (front, collection, item, source):
            for link in {*links(one), *images(one)}:
                if link.startswith("/"):
                    assert (await http.get(link)).status == 200, link


async def test_every_file_of_an_item_is_linked_with_its_digest(demo):
    async with served(demo) as http:
        rows = (await http.get("/.mlhub/manifest.txt")).text.splitlines()
        item = await http.get(page_of(LABELS, f"{LABELS}_29NMG_12"))
        own = [row.split(" ") for row in rows if row.startswith(f"{LABELS}/{LABELS}_29NMG_12/")]
        assert len(own) == 3
        for path, _, digest in own:
            assert f"/{path}" in links(item) and digest in item.text


async def test_a_picture_is_sent_once(demo):
    pytest.importorskip("rasterio")
    async with served(demo) as http:
        src = images(await http.get(page_of(LABELS, f"{LABELS}_29NMG_12")))[0]
        first = await http.get(src)
        assert first.headers["Content-Type"] == "image/png" and first.body[:4] == b"\x89PNG"
        again = await http.get(src, If_None_Match=first.headers["ETag"])
        assert (again.status, again.body) == (304, b"")
        label = demo / LABELS / f"{LABELS}_29NMG_12" / "labels.tif"
        before = label.read_bytes()
        try:
            label.write_bytes(b"damaged")
            changed = await http.get(src, If_None_Match=first.headers["ETag"])
            assert changed.status == 200 and changed.headers["Content-Type"] == "image/svg+xml"
        finally:
            label.write_bytes(before)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("collection=x", 400),
        (f"collection={LABELS}&item={LABELS}_29NMG_12&key=labels&size=9999", 400),
        ("collection=x&item=y&key=z", 404),
        (f"collection={LABELS}&item={LABELS}_29NMG_12&key=nothing", 404),
        (f"collection={LABELS}&item={LABELS}_29NMG_12&key=documentation", 404),
        (f"collection={LABELS}&item={LABELS}_29NMG_12", 404),  # no bands of red, green and blue
    ],
)
async def test_a_picture_that_cannot_be(demo, query, status):
    async with served(demo) as http:
        assert (await http.get(f"/.mlhub/preview?{query}")).status == status


async def test_without_rasterio_pages_say_what_to_install(demo, monkeypatch):
    monkeypatch.setitem(sys.modules, "rasterio", None)
    async with served(demo) as http:
        item = await http.get(page_of(LABELS, f"{LABELS}_29NMG_12"))
        assert "python -m pip install 'rasterio>=1.4'" in html.unescape(item.text)
        assert "Cultivated Vegetation" in item.text
        picture = await http.get(images(item)[0])
        assert picture.headers["Content-Type"] == "image/svg+xml" and "rasterio" in picture.text


async def test_text_of_the_catalogue_is_text(troubled, dest):
    site = await troubled.site()
    url = site.put("/one.tif", tif(1000))
    gone = site.put("/gone.tif", always=[Status(404)])
    item = stac_item(
        HOSTILE, HOSTILE, **{HOSTILE: {"href": url, "title": HOSTILE, "type": HOSTILE}, "gone": gone}
    )
    item["properties"][HOSTILE] = {HOSTILE: [HOSTILE]}
    item["properties"]["label:classes"] = [{"name": HOSTILE, "classes": [HOSTILE]}]
    item["properties"]["label:type"] = HOSTILE
    await run([item], dest)
    async with served(dest) as http:
        pages = [await http.get(one) for one in ("/", "/.mlhub/browse")]
        collection = next(one for one in links(pages[1]) if "collection=" in one)
        pages.append(await http.get(collection))
        pages.append(await http.get(next(one for one in links(pages[2]) if "item=" in one)))
        for page in pages:
            assert_is_page(page)
            assert "<script>alert" not in page.text and "\u202e" not in page.text and ">49<" not in page.text
        assert "&lt;script&gt;alert(1)" in pages[3].text
        assert "not-found" in pages[3].text or "404" in pages[3].text
        for link in links(pages[3]):
            assert not link.startswith("/") or (await http.get(link)).status == 200, link


async def test_a_missing_asset_is_shown_with_its_reason(troubled, dest):
    site = await troubled.site()
    gone = site.put("/gone.tif", always=[Status(404)])
    await run([stac_item("one", data=gone, other=site.put("/o.tif", tif(1000)))], dest)
    async with served(dest) as http:
        item = await http.get(page_of("c1", "one"))
        assert "failed" in item.text and "404" in item.text
        assert "1 missing" in (await http.get(page_of("c1"))).text
        errors = (await http.get("/.mlhub/errors.jsonl")).text
        assert len(errors.splitlines()) == 1 and json.loads(errors)["key"] == "data"


async def test_items_come_in_pages_that_lead_to_each_other(troubled, dest):
    site = await troubled.site()
    names = [f"item-{number:03}" for number in range(100)]
    await run(static_catalog(site, publish(site, names, size=200)), dest)
    async with served(dest) as http:
        found, target, targets = [], page_of("c1"), []
        while target:
            targets.append(target)
            page = await http.get(target)
            found += [one.partition("item=")[2] for one in links(page) if "item=" in one]
            target = (re.findall(r'href="([^"]+)" rel="next"', page.text) or [""])[0].replace("&amp;", "&")
        assert found == names and len(targets) == 3
        back = html.unescape(re.findall(r'href="([^"]+)" rel="prev"', page.text)[0])
        assert "item-095" in (await http.get(back)).text
        jumped = await http.get(page_of("c1", **{"from": "item-09"}))
        assert [one.partition("item=")[2] for one in links(jumped) if "item=" in one] == names[90:]
        nothing = await http.get(page_of("c1", **{"from": "zzz"}))
        assert nothing.status == 200 and "no items here" in nothing.text
        item = await http.get(page_of("c1", "item-050"))
        assert page_of("c1", "item-049") in links(item) and page_of("c1", "item-051") in links(item)


@pytest.mark.parametrize("target", [page_of("nothing"), page_of(LABELS, "nothing"), page_of("", "")])
async def test_a_page_of_what_is_not_there(demo, target):
    async with served(demo) as http:
        assert (await http.get(target)).status == 404


async def test_a_damaged_document_is_said_to_be_damaged(troubled, dest):
    site = await troubled.site()
    await run(static_catalog(site, publish(site, ["one"])), dest)
    (dest / "c1/one/one.json").write_text("{ broken")
    async with served(dest) as http:
        page = await http.get(page_of("c1", "one"))
        assert page.status == 200 and "cannot be read" in page.text and "data" in page.text


async def test_each_label_has_its_legend(troubled, dest):
    site = await troubled.site()
    label = {"roles": ["labels"], "href": site.put("/one.tif", tif(1000))}
    water = {"value": 1, "name": "water", "color_hint": "0000fe"}
    item = stac_item(
        "one", a={**label, "classification:classes": [water]}, b=label, c=site.put("/c.tif", tif(900))
    )
    item["properties"]["label:classes"] = [{"name": None, "classes": ["maize", "rice"]}]
    await run([item], dest)
    async with served(dest) as http:
        text = (await http.get(page_of("c1", "one"))).text
        assert re.findall(r"<h3>(.)</h3>", text) == ["a", "b"]
        assert '<span class="swatch" style="background:#0000fe"></span> 1 water' in text
        assert "0 maize" in text and "1 rice" in text


async def test_while_a_run_is_under_way_what_is_there_is_served_and_nothing_unfinished(troubled, dest):
    site = await troubled.site()
    await run(static_catalog(site, publish(site, ["one"])), dest)
    is_asked, may_end = asyncio.Event(), asyncio.Event()

    def is_answered():
        is_asked.set()
        return may_end.is_set()

    items = publish(site, ["one", "two"])
    site.put("/two.tif", tif(20_000, 1), always=[When(is_answered)])
    async with served(dest) as http:
        running = asyncio.create_task(run(static_catalog(site, items), dest))
        try:
            await is_asked.wait()
            assert (await http.get("/c1/one/data.tif")).status == 200
            assert (await http.get("/c1/two/data.tif")).status == 404
            assert (await http.get(page_of("c1", "one"))).status == 200
            assert (await http.get("/")).status == 200
            assert (await http.get("/.mlhub/manifest.txt")).status == 200
        finally:
            may_end.set()
            report = await running
        assert report.exit_code == 0
        assert (await http.get("/c1/two/data.tif")).headers["Repr-Digest"]


async def test_a_run_that_goes_on_meanwhile_is_seen(troubled, dest):
    site = await troubled.site()
    await run(static_catalog(site, publish(site, ["one"])), dest)
    async with served(dest) as http:
        assert (await http.get(page_of("c1", "two"))).status == 404
        await run(static_catalog(site, publish(site, ["one", "two"])), dest)
        page = await http.get(page_of("c1", "two"))
        assert page.status == 200 and f"/{quote('c1/two/data.tif')}" in links(page)
        assert (await http.get("/c1/two/data.tif")).headers["Repr-Digest"]
        assert "2" in (await http.get("/.mlhub/browse")).text
