"""Items with several assets of one key: all but the last would be lost without a word."""

import json

from support.mirrored import Mirrored
from support.server import tif
from support.stac_server import stac_item


def repeated(site):
    made = stac_item("one", image=site.put("/a.tif", tif(300, 1)), imagf=site.put("/b.tif", tif(300, 2)))
    return json.dumps(made).replace("imagf", "image").encode()


def good(site):
    return json.dumps(stac_item("two", image=site.put("/c.tif", tif(300, 3)))).encode()


def test_an_item_of_a_catalogue_is_told_and_the_others_come(site, run_cli, dest):
    site.put("/one.json", repeated(site))
    site.put("/two.json", good(site))
    links = [{"rel": "item", "href": f"{name}.json"} for name in ("one", "two")]
    catalogue = {"type": "Catalog", "id": "c", "description": "c", "stac_version": "1.0.0", "links": links}
    ran = run_cli("mirror", site.json("/catalog.json", catalogue), dest)
    assert ran.code == 4 and "several members of the name 'image'" in ran.err, ran.err
    assert list(Mirrored(dest).files.values()) == [tif(300, 3)]


def test_a_line_is_told_and_the_others_come(site, run_cli, dest):
    source = site.put("/items.ndjson", repeated(site) + b"\n" + good(site) + b"\n")
    ran = run_cli("mirror", source, dest)
    assert ran.code == 4 and "line 1 of" in ran.err, ran.err
    assert list(Mirrored(dest).files.values()) == [tif(300, 3)]
