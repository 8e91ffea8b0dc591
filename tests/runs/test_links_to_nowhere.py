"""Links of a catalogue that have no href, as pystac writes them for children that were not saved."""

import pytest

from support.mirrored import Mirrored
from support.server import tif
from support.stac_server import stac_item


def catalogue(site, *links, kind="Catalog"):
    site.json("/one.json", stac_item("one", image=site.put("/a.tif", tif(300, 1))))
    made = {
        "type": kind,
        "id": "c1",
        "description": "c",
        "stac_version": "1.0.0",
        "license": "x",
        "extent": {},
    }
    own = [{"rel": "item", "href": "one.json"}, {"rel": "root", "href": None}, {"rel": "next", "href": None}]
    return site.json("/catalog.json", {**made, "links": [*own, *links]})


@pytest.mark.parametrize("kind", ["Catalog", "Collection"])
@pytest.mark.parametrize(
    "link",
    [
        {"rel": "item", "href": None},
        {"rel": "child", "href": ""},
        {"rel": "item"},
        {"rel": "child", "href": {"href": "two.json"}},
        {"rel": "items", "href": ["two.json"]},
        "two.json",
        7,
    ],
)
def test_a_link_without_a_target_is_told_and_the_others_are_followed(site, run_cli, dest, kind, link):
    ran = run_cli("mirror", catalogue(site, link, kind=kind), dest)
    assert ran.code == 4 and "1 of its links lead nowhere" in ran.err, ran.err
    assert list(Mirrored(dest).files.values()) == [tif(300, 1)]


def test_other_links_may_lead_nowhere(site, run_cli, dest):
    links = [None, {"rel": "license", "href": None}, {"href": "two.json"}, {"rel": "self", "href": ""}]
    ran = run_cli("mirror", catalogue(site, *links), dest)
    assert ran.code == 0, ran.err
