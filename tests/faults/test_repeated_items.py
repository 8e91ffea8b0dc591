"""Items and collections that a catalogue has twice, with different assets; listings with a maximum."""

import json

import pytest

from support.mirrored import Mirrored, publish
from support.server import tif
from support.stac_server import Api, stac_collection

NAMES = ["a", "b", "c"]


def twice(site):
    """Items, the second of them again with one more asset."""
    a, b, c = publish(site, NAMES)
    more = {"href": site.put("/more.tif", tif(3_000, 9))}
    return a, b, {**b, "assets": {**b["assets"], "more": more}}, c


def write_lines(path, items):
    path.write_text("".join(json.dumps(one) + "\n" for one in items))
    return path


@pytest.mark.parametrize("if_exists", ["resume", "skip", "refresh", "overwrite"])
def test_an_item_that_is_listed_twice_with_more_assets_is_told(site, run_cli, dest, tmp_path, if_exists):
    source = write_lines(tmp_path / "items.ndjson", twice(site))
    for _ in range(2):
        ran = run_cli("mirror", source, dest, "--if-exists", if_exists)
        assert ran.code == 4 and "c1/b is listed twice, with different assets" in ran.err, ran.err


def test_pruning_keeps_a_file_of_an_item_that_is_listed_twice(site, run_cli, dest, tmp_path):
    """An earlier run fetched it: that the ledger knows it does not mean that this run has it."""
    a, b, both, c = twice(site)
    folder = tmp_path / "catalogue"
    folder.mkdir()

    def write(first, second):
        """The second document of the item comes later: it is a level further down."""
        further = {"type": "Catalog", "stac_version": "1.0.0", "id": "more", "description": "More"}
        further["links"] = [{"rel": "item", "href": f"{n}.json"} for n, one in enumerate(second, len(first))]
        links = [{"rel": "item", "href": f"{n}.json"} for n in range(len(first))]
        links.append({"rel": "child", "href": "more.json"})
        for number, one in enumerate([*first, *second]):
            (folder / f"{number}.json").write_text(json.dumps(one))
        (folder / "more.json").write_text(json.dumps(further))
        (folder / "collection.json").write_text(json.dumps(stac_collection("c1", links=links)))

    write([a, both, c], [])
    assert run_cli("mirror", folder, dest).code == 0
    write([a, b, c], [both])
    ran = run_cli("mirror", folder, dest, "--prune", "--max-delete", "5")
    assert ran.code == 4 and "c1/b is listed twice" in ran.err, ran.err
    assert "c1/b/more.tif" in Mirrored(dest).files


@pytest.mark.parametrize("options", [(), ("--processes", "2"), ("--if-exists", "skip")], ids=str)
def test_collections_of_one_id_with_different_assets_are_told(site, run_cli, dest, tmp_path, options):
    links = []
    for number, item in enumerate(publish(site, NAMES[:2])):
        folder = tmp_path / "catalogue" / f"part{number}"
        folder.mkdir(parents=True)
        assets = {"doc": {"href": site.put(f"/doc{number}.tif", tif(1_000, number))}}
        body = stac_collection("c1", assets=assets, links=[{"rel": "item", "href": "item.json"}])
        (folder / "collection.json").write_text(json.dumps(body))
        (folder / "item.json").write_text(json.dumps(item))
        links.append({"rel": "child", "href": f"part{number}/collection.json"})
    root = {"type": "Catalog", "stac_version": "1.0.0", "id": "root", "description": "Root", "links": links}
    (tmp_path / "catalogue" / "catalog.json").write_text(json.dumps(root))
    ran = run_cli("mirror", tmp_path / "catalogue", dest, *options)
    assert ran.code == 4 and "collection c1 is listed twice, with different assets" in ran.err, ran.err
    assert len(Mirrored(dest).files) == 3
    (row,) = Mirrored(dest).errors
    assert (row["collection"], row["item"], row["error"]["class"]) == ("c1", None, "contradiction")


@pytest.mark.parametrize(
    "options", [("-c", "c1", "--max-items", "3"), ("-c", "c1", "--max-items", "9")], ids=str
)
def test_an_item_that_an_api_gives_twice_with_more_assets_is_told(site, run_cli, dest, options):
    a, b, both, c = twice(site)
    ran = run_cli("mirror", Api(site, [a, b, both, c, c], 2).url, dest, *options)
    assert ran.code == 5 and "1 items were changed while it was read" in ran.err, ran.err


@pytest.mark.parametrize(("richer", "code"), [("linked", 5), ("listed", 0), ("", 0)])
def test_a_link_to_an_item_that_an_api_has_with_other_assets_is_told(site, run_cli, dest, richer, code):
    """The item is listed first: the link to it brings one more asset, one less, or the same ones."""
    _, listed, both, _ = twice(site)
    linked = both if richer == "linked" else listed
    site.json("/b.json", linked)
    [label] = publish(site, ["l"])
    label |= {"collection": "labels", "links": [{"rel": "source", "href": site.url("/b.json")}]}
    label["properties"] |= {"label:type": "raster"}
    source = Api(site, [both if richer == "listed" else listed, label], 2).url
    ran = run_cli("mirror", source, dest, "-c", "c1", "-c", "labels")
    assert ran.code == code, ran.err
    assert ("1 items were changed while it was read" in ran.err) == (code == 5), ran.err


@pytest.mark.parametrize("matched", [True, False])
def test_a_listing_that_ends_before_its_maximum_has_to_be_complete(site, run_cli, dest, matched):
    """A page lacks an item of those that it, or the whole, is said to have."""
    items = publish(site, NAMES)
    short = {1: {"features": items[:1], "numberReturned": 2}}
    api = Api(site, items, 2, matched=matched, overrides=short)
    ran = run_cli("mirror", api.url, dest, "-c", "c1", "--max-items", "100")
    assert (ran.code, len(Mirrored(dest).files)) == (5, 2), ran.err
    assert run_cli("plan", api.url, "-c", "c1", "--max-items", "2").code == 0


def test_a_maximum_counts_different_items(site, run_cli, dest):
    a, b, c = publish(site, NAMES)
    assert (
        run_cli("mirror", Api(site, [a, a, b, b, c], 2).url, dest, "-c", "c1", "--max-items", "2").code == 0
    )
    assert len(Mirrored(dest).files) == 2
