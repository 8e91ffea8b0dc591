"""Links from item to item: local where the other item is in the copy, in whatever order and run they come."""

import hashlib
import json
import sqlite3
import warnings
from contextlib import closing

import pystac
import pytest

from mlhub_async import Selection, mirror, verify
from support.engine import AT_ONCE, make_options
from support.mirrored import Mirrored, publish
from support.server import tif
from support.stac_server import Api, stac_collection, stac_item, static_catalog_files

LABEL = "https://stac-extensions.github.io/label/v1.0.1/schema.json"
ORIGINAL = "mlhub:original_href"
LABEL_FIELDS = {"label:type": "raster", "label:description": "d", "label:properties": None}


@pytest.fixture
async def site(troubled):
    return await troubled.site()


async def run(source, dest, *collections, events=None, prune=False, **selection):
    options = {"retry": AT_ONCE, "allow_private": True, "prune": prune}
    chosen = Selection(collections=collections, **selection)
    return await mirror(source, dest, make_options(chosen, **options), on_event=events)


def label(site, name, *sources, collection="labels", rel="source"):
    site.put(f"/{name}.tif", tif(300))
    links = [{"rel": rel, "href": href, "type": "application/json"} for href in sources]
    made = stac_item(name, collection, properties=LABEL_FIELDS, labels=site.url(f"/{name}.tif"))
    return made | {"links": links, "stac_extensions": [LABEL]}


def scene(site, name, collection="scenes", **more):
    """An item of its own at /NAME.json."""
    site.put(f"/{name}.tif", tif(400))
    made = stac_item(name, collection, B02=site.url(f"/{name}.tif")) | more
    site.json(f"/{name}.json", made)
    return made


def listed(site, *items):
    return site.json("/all.json", {"type": "FeatureCollection", "features": list(items)})


def links(dest, item, collection="labels", rel="source"):
    return [link for link in Mirrored(dest).item(item, collection)["links"] if link["rel"] == rel]


def hrefs(dest, *about, **more):
    return [link["href"] for link in links(dest, *about, **more)]


async def intact(dest):
    assert (await verify(dest)).ok
    return True


async def test_source_links_are_local_and_keep_their_original_href(site, dest):
    scene(site, "s1")
    one = label(site, "l1", site.url("/s1.json"), "/gone.json")
    assert (await run(listed(site, one), dest)).ok
    local, gone = links(dest, "l1")
    assert local == {
        "rel": "source",
        "href": "../../scenes/s1/s1.json",
        "type": "application/json",
        ORIGINAL: site.url("/s1.json"),
    }
    assert gone == {"rel": "source", "href": site.url("/gone.json"), "type": "application/json"}
    assert await intact(dest)


async def test_pystac_finds_the_sources_of_a_label_offline(site, dest):
    scene(site, "s1")
    scene(site, "s2")
    one = label(site, "l1", site.url("/s1.json"), site.url("/s2.json"))
    assert (await run(listed(site, one), dest)).ok
    site.routes.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pystac 1.13 deprecates the extension
        from pystac.extensions.label import LabelExtension
    read = pystac.Item.from_file(str(dest / "labels/l1/l1.json"))
    found = list(LabelExtension.ext(read).get_sources())
    assert [item.id for item in found] == ["s1", "s2"]
    assert {item.assets["B02"].get_absolute_href() for item in found} == {
        str(dest / f"scenes/{name}/B02.tif") for name in ("s1", "s2")
    }


@pytest.mark.parametrize("order", [1, -1])
async def test_the_order_of_the_items_does_not_matter(site, dest, order):
    api = Api(site, [])
    items = [label(site, "l1", f"{api.url}/collections/scenes/items/s1"), scene(site, "s1")]
    items[1]["links"] = [{"rel": "self", "href": f"{api.url}/collections/scenes/items/s1"}]
    Api(site, items[::order], page_size=1)
    assert (await run(api.url, dest, follow_sources=False)).ok
    assert hrefs(dest, "l1") == ["../../scenes/s1/s1.json"] and await intact(dest)


async def test_items_that_link_to_each_other_are_local_both_ways(site, dest):
    links_of = {
        name: [
            {"rel": "self", "href": f"/{name}"},
            {"rel": "related", "href": f"/{other}"},
            {"rel": "derived_from", "href": f"/{other}"},
        ]
        for name, other in (("a", "b"), ("b", "a"))
    }
    items = [one | {"links": links_of[one["id"]]} for one in publish(site, ["a", "b"])]
    assert (await run(listed(site, *items), dest)).ok
    for name, other in (("a", "b"), ("b", "a")):
        for rel in ("related", "derived_from"):
            assert hrefs(dest, name, "c1", rel=rel) == [f"../{other}/{other}.json"]


async def test_a_source_that_comes_in_a_later_run_and_leaves_again(site, dest):
    scene(site, "s1")
    url = site.url("/s1.json")
    one = listed(site, label(site, "l1", url))
    assert (await run(one, dest, follow_sources=False)).ok
    assert hrefs(dest, "l1") == [url] and await intact(dest)

    api = Api(site, [scene(site, name) for name in ("s1", "s2")])
    for item in api.items:
        item["links"] = [{"rel": "self", "href": site.url(f"/{item['id']}.json")}]
    assert (await run(api.url, dest)).ok
    assert hrefs(dest, "l1") == ["../../scenes/s1/s1.json"] and await intact(dest)

    api.items.pop(0)
    report = await run(api.url, dest, "scenes", prune=True)
    assert report.ok and report.pruned.items == 1
    assert links(dest, "l1") == [{"rel": "source", "href": url, "type": "application/json"}]
    assert await intact(dest)


async def test_a_label_that_comes_later_finds_its_source(site, dest):
    assert (await run(site.url("/s1.json"), dest) if scene(site, "s1") else None).ok
    one = listed(site, label(site, "l1", site.url("/s1.json")))
    assert (await run(one, dest, follow_sources=False)).ok
    assert hrefs(dest, "l1") == ["../../scenes/s1/s1.json"] and await intact(dest)


async def test_a_second_run_writes_nothing_and_diff_sees_no_difference(site, dest, run_cli):
    scene(site, "s1")
    one = listed(site, label(site, "l1", site.url("/s1.json")))
    assert (await run(one, dest)).ok
    document = dest / "labels/l1/l1.json"
    before = document.stat().st_mtime_ns
    for observed in (None, lambda _: None):  # with a listener each item is claimed again
        assert (await run(one, dest, events=observed)).ok
    assert document.stat().st_mtime_ns == before


def mirrored_again(dest, again):
    first, second = (Mirrored(folder).files for folder in (dest, again))
    assert first == second and len(first) == 2
    assert hrefs(again, "l1") == ["../../scenes/s1/s1.json"]


async def test_a_mirror_of_a_mirror_has_labels_and_imagery(site, dest, tmp_path):
    scene(site, "s1")
    url = site.url("/s1.json")
    assert (await run(listed(site, label(site, "l1", url)), dest)).ok
    site.routes.clear()
    again = tmp_path / "again"
    for _ in range(2):
        report = await run(dest, again)
        assert report.exit_code == 0 and report.dangling == 0
        mirrored_again(dest, again)
        assert links(again, "l1")[0][ORIGINAL] == url and await intact(again)


async def test_the_labels_alone_of_a_mirror_lead_to_where_their_source_was(site, dest, tmp_path):
    scene(site, "s1")
    url = site.url("/s1.json")
    assert (await run(listed(site, label(site, "l1", url)), dest)).ok
    again = tmp_path / "again"
    assert (await run(dest, again, "labels", follow_sources=False)).ok
    assert links(again, "l1") == [{"rel": "source", "href": url, "type": "application/json"}]


async def test_a_copy_of_a_published_catalogue_knows_its_items_by_their_self_links(site, dest, tmp_path):
    published = "https://published.test/scenes/s1.json"
    one = scene(site, "s1") | {"links": [{"rel": "self", "href": published}]}
    static_catalog_files(tmp_path / "copy", [label(site, "l1", published), one])
    assert (await run(tmp_path / "copy/catalog.json", dest)).exit_code == 0
    assert hrefs(dest, "l1") == ["../../scenes/s1/s1.json"]


@pytest.mark.parametrize("again", [False, True])
async def test_a_source_behind_a_redirect_is_local(site, dest, again):
    scene(site, "s1")
    site.redirect("/moved", "/s1.json", 307)
    if again:
        assert (await run(site.url("/s1.json"), dest)).ok
    assert (await run(listed(site, label(site, "l1", "/moved")), dest)).ok
    assert hrefs(dest, "l1") == ["../../scenes/s1/s1.json"]


async def test_of_a_list_behind_a_source_link_no_item_is_taken_for_the_target(site, dest):
    items = [scene(site, "s1"), scene(site, "s2")]
    found = site.json("/search.json", {"type": "FeatureCollection", "features": items})
    assert (await run(listed(site, label(site, "l1", found)), dest)).ok
    assert hrefs(dest, "l1") == [found] and len(Mirrored(dest).files) == 3


async def test_an_address_that_two_items_claim_leads_to_none(site, dest):
    same = [{"rel": "self", "href": site.url("/same")}]
    items = [scene(site, "s1") | {"links": same}, scene(site, "s2") | {"links": same}]
    one = label(site, "l1", site.url("/same"))
    assert (await run(listed(site, one, *items), dest, follow_sources=False)).ok
    assert hrefs(dest, "l1") == [site.url("/same")]


async def test_http_and_keys_in_a_link_make_no_difference(site, dest):
    own = [{"rel": "self", "href": f"{site.url('/s1')}?key=K".replace("http:", "https:")}]
    items = [label(site, "l1", site.url("/s1?key=K")), scene(site, "s1") | {"links": own}]
    assert (await run(listed(site, *items), dest, follow_sources=False)).ok
    assert hrefs(dest, "l1") == ["../../scenes/s1/s1.json"]
    assert "key" not in (dest / "labels/l1/l1.json").read_text()


async def test_a_document_that_somebody_changed_is_not_written_over(site, dest):
    scene(site, "s1")
    one = listed(site, label(site, "l1", site.url("/s1.json")))
    assert (await run(one, dest, follow_sources=False)).ok
    document = dest / "labels/l1/l1.json"
    changed = document.read_bytes().replace(b"labels.tif", b"lobels.tif")
    document.write_bytes(changed)
    assert (await run(site.url("/s1.json"), dest)).ok
    assert document.read_bytes() == changed
    assert [damage.path for damage in (await verify(dest)).damage] == ["labels/l1/l1.json"]
    assert (await run(one, dest, follow_sources=False)).ok
    assert hrefs(dest, "l1") == ["../../scenes/s1/s1.json"] and await intact(dest)


async def test_a_run_that_was_killed_before_it_recorded_a_document_is_mended(site, dest):
    scene(site, "s1")
    one = listed(site, label(site, "l1", site.url("/s1.json")))
    assert (await run(one, dest, follow_sources=False)).ok
    before = hashlib.sha256((dest / "labels/l1/l1.json").read_bytes()).hexdigest()
    assert (await run(site.url("/s1.json"), dest)).ok
    with closing(sqlite3.connect(dest / ".mlhub/ledger.sqlite")) as ledger, ledger:
        ledger.execute("UPDATE file SET sha256=?, size=1 WHERE item='l1' AND role=1", (before,))
        ledger.execute("UPDATE item_link SET path=''")
    assert not (await verify(dest)).ok
    assert (await run(site.url("/s1.json"), dest)).ok
    assert hrefs(dest, "l1") == ["../../scenes/s1/s1.json"] and await intact(dest)


async def test_links_of_a_mirror_of_an_earlier_version_become_local(site, dest):
    scene(site, "s1")
    one = listed(site, label(site, "l1", site.url("/s1.json")))
    assert (await run(one, dest)).ok
    with closing(sqlite3.connect(dest / ".mlhub/ledger.sqlite")) as ledger, ledger:
        ledger.execute("DROP TABLE item_link")
        ledger.execute("DROP TABLE item_address")
        ledger.execute("UPDATE file SET stamp='of another version' WHERE role=1")
    assert (await run(one, dest)).fetched == 0
    assert hrefs(dest, "l1") == ["../../scenes/s1/s1.json"] and await intact(dest)


async def test_a_link_that_left_the_catalogue_is_forgotten(site, dest):
    scene(site, "s1")
    assert (await run(listed(site, label(site, "l1", site.url("/s1.json"))), dest)).ok
    assert (await run(listed(site, label(site, "l1")), dest)).ok
    assert links(dest, "l1") == [] and await intact(dest)


async def test_an_original_href_is_no_way_to_a_local_file(site, dest):
    scene(site, "s1")
    one = label(site, "l1", site.url("/s1.json"), "relative.json")
    one["links"] = [{**link, ORIGINAL: "file:///etc/passwd"} for link in one["links"]]
    assert (await run(listed(site, one), dest)).exit_code == 0
    local, other = links(dest, "l1")
    assert local[ORIGINAL] == site.url("/s1.json") and other["href"] == site.url("/relative.json")
    assert "passwd" not in (dest / "labels/l1/l1.json").read_text()


async def test_archives_beside_each_other_are_linked(site, dest, tmp_path):
    folder = tmp_path / "in"
    (folder / "lab/l1").mkdir(parents=True)
    (folder / "src/s1").mkdir(parents=True)
    for name, item in (("lab", "l1"), ("src", "s1")):
        link = {"rel": "item", "href": f"./{item}/stac.json"}
        (folder / name / "collection.json").write_text(json.dumps(stac_collection(name, links=[link])))
    one = label(site, "l1", "../../src/s1/stac.json", collection="lab")
    (folder / "lab/l1/stac.json").write_text(json.dumps(one))
    (folder / "src/s1/stac.json").write_text(json.dumps(scene(site, "s1", "src")))
    assert (await run(folder / "lab", dest)).ok
    assert hrefs(dest, "l1", "lab") == ["../../src/s1/s1.json"]
