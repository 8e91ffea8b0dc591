"""Markup in ids, titles and reasons is text in a report: its elements are those of a harmless one."""

import json
import re

import pytest

import mlhub_async
from support.engine import run
from support.report_pages import Page
from support.server import Site
from support.stac_server import stac_collection, stac_item

MARKUP = "\"><script>alert(1)</script></title></svg><img src=x onerror=alert(1)>{{ 7*7 }}{% raw %}'--><!--"
INVISIBLE = "\u202egnp.exe\u2066\x1b[31m\u200b\x00"
ADDRESSES = ["src", "href", "xlink:href", "action", "data", "poster", "srcset", "background"]
REQUESTS = re.compile(r"url\(|@import|fetch\(|XMLHttpRequest|import\(|WebSocket|sendBeacon")


async def report_of(site: Site, dest, word: str) -> Page:
    """The report of a catalogue whose every text has this word in it; one of its two assets is missing."""
    labels = {
        "label:overviews": [{"property_key": word, "counts": [{"name": word, "count": 3}]}],
        "license": word,
    }
    items = [
        stac_item(f"item{word}", f"c{word}", properties=labels, data=site.put("/a.bin", b"1234")),
        stac_item(f"gone{word}", f"c{word}", properties=labels, **{f"key{word}": site.url("/gone.bin")}),
    ]
    names = [site.json(f"/item{number}.json", item) for number, item in enumerate(items)]
    links = [{"rel": "item", "href": name} for name in names]
    about = stac_collection(f"c{word}", title=f"title {word}", license=word, links=links)
    root = {"type": "Catalog", "stac_version": "1.0.0", "id": "root", "description": word}
    root["links"] = [{"rel": "child", "href": site.json("/collection.json", about)}]
    await run(site.json("/catalog.json", root), dest)
    return Page(mlhub_async.report_page(dest))


@pytest.fixture
async def pages(troubled, tmp_path):
    """The report of a harmless catalogue, and that of a hostile one."""
    site = await troubled.site()
    harmless = await report_of(site, tmp_path / "harmless", "word")
    return harmless, await report_of(await troubled.site(), tmp_path / "hostile", MARKUP)


def shape_of(page: Page) -> list[tuple[str, list[str]]]:
    """The elements of a page with the names of their attributes; those of charts of time differ in number."""
    return [(one.name, sorted(one.attributes)) for one in page.elements if one.name != "rect"]


async def test_markup_of_a_catalogue_is_text(pages):
    harmless, hostile = pages
    assert shape_of(hostile) == shape_of(harmless)
    assert MARKUP in hostile.text
    scripts = [one.text for one in hostile.all("script")]
    assert len(scripts) == 1 and "alert" not in scripts[0] and "49" not in hostile.value("Selection")


async def test_ids_are_text_in_titles_of_shapes_and_in_tables(pages):
    _, hostile = pages
    titles = [one.text for one in hostile.all("title") if one.parent and one.parent.name == "path"]
    assert any(text.startswith('item"><script>') for text in titles)
    assert any(one.text.startswith('c"><script>') for one in hostile.all("th", scope="row"))
    assert 'gone"><script>' in hostile.all("tr", class_="failure")[0].text


async def test_characters_that_act_unseen_are_made_visible(troubled, dest):
    site = await troubled.site()
    page = await report_of(site, dest, INVISIBLE)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b\u200b\x00]", page.text)
    assert "\\u202egnp.exe" in page.text


async def test_no_attribute_and_no_style_leads_out_of_the_page(troubled, dest):
    site = await troubled.site()
    await report_of(site, dest, "word")
    page = Page(mlhub_async.report_page(dest))
    found = [one.attributes[name] for one in page.elements for name in ADDRESSES if name in one.attributes]
    assert len(found) > 8 and all(address.startswith(("#", "data:,")) for address in found)
    assert not any(REQUESTS.search(one.text) for one in page.elements if one.name in ("style", "script"))
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0].attributes["content"]
    assert policy.startswith("default-src 'none';")


async def test_addresses_of_failures_have_no_secrets(troubled, dest):
    site = await troubled.site()
    signed = site.url("/gone.bin") + "?X-Amz-Signature=verysecret&sig=alsosecret"
    await run([stac_item("gone", data=signed)], dest)
    page = Page(mlhub_async.report_page(dest))
    assert "/gone.bin" in page.all("tr", class_="failure")[0].text
    assert "secret" not in json.dumps(page.text)
