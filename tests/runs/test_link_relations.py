"""Relations of links that are not written as the specifications have them: case does not count (RFC 8288)."""

import json
from dataclasses import dataclass

import pytest

from support.mirrored import Mirrored
from support.server import tif
from support.stac_server import Api, stac_collection, stac_item, static_documents
from support.wire_format import Reply

SPELLINGS = {
    "upper": str.upper,
    "capital": str.capitalize,
    "spaces": lambda rel: f" {rel}\n",
    "list": lambda rel: [rel],
    "several": lambda rel: f"https://stac.example/other {rel}",
    "several in a list": lambda rel: [None, "other", rel.title()],
}


def spelled(value, how):
    if isinstance(value, dict):
        return {k: how(v) if k == "rel" else spelled(v, how) for k, v in value.items()}
    return [spelled(one, how) for one in value] if isinstance(value, list) else value


@pytest.fixture(params=SPELLINGS.values(), ids=SPELLINGS)
def spell(request):
    return lambda document: spelled(document, request.param)


@pytest.fixture
def items(site):
    return [stac_item(f"i{n}", image=site.put(f"/{n}.tif", tif(300, n))) for n in range(4)]


@dataclass
class Spelled(Api):
    how: object = None

    def landing(self, seen):
        return self._reply(super().landing(seen))

    def page(self, seen, fixed):
        return self._reply(super().page(seen, fixed))

    def linked(self, collection):
        return self.how(super().linked(collection))

    def _reply(self, reply):
        return Reply(reply.status, reply.headers, json.dumps(self.how(json.loads(reply.body))).encode())


def whole(dest, ran, items):
    assert ran.code == 0, ran.err
    assert len(Mirrored(dest).files) == len(items)
    copied = [Mirrored(dest).item(one["id"]) for one in items]
    own = [link["rel"] for link in copied[0]["links"] if link["rel"] in ("root", "parent", "collection")]
    assert own == ["root", "parent", "collection"]
    assert {json.dumps(one["links"]).count("collection.json") for one in copied} == {2}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_of_an_api(site, run_cli, dest, spell, items, method):
    site_api = Spelled(site, items, page_size=2, matched=False, how=spell)
    ran = run_cli(
        "mirror", site_api.url, dest, "-c", "c1", "--ids", *[one["id"] for one in items], "--method", method
    )
    whole(dest, ran, items)


def test_of_the_items_of_a_collection(site, run_cli, dest, spell, items):
    whole(
        dest, run_cli("mirror", Spelled(site, items, page_size=2, matched=False, how=spell).url, dest), items
    )


def test_of_a_static_catalogue(site, run_cli, dest, spell, items):
    for path, document in static_documents(items).items():
        site.json(f"/static/{path}", spell(document))
    whole(dest, run_cli("mirror", site.url("/static/catalog.json"), dest), items)


def test_of_pages_of_children_and_a_list_of_items(site, run_cli, dest, spell, items):
    about = {"type": "Catalog", "stac_version": "1.0.0", "id": "c", "description": "c"}
    site.json("/empty.json", {**about, "id": "empty", "links": []})
    child = {"rel": "child", "href": "/collection.json"}
    pages = [[{"rel": "child", "href": "/empty.json"}, {"rel": "next", "href": "/2.json"}], [child]]
    for number, links in enumerate(pages, 1):
        site.json(f"/{number}.json", spell({**about, "links": links}))
    site.json(
        "/collection.json", spell(stac_collection("c1", links=[{"rel": "items", "href": "/items.json"}]))
    )
    site.json("/items.json", {"type": "FeatureCollection", "features": items})
    whole(dest, run_cli("mirror", site.url("/1.json"), dest), items)


def test_of_source_imagery(site, run_cli, dest, spell, items):
    label, image = items[:2]
    label["links"] = [{"rel": "source", "href": site.json("/image.json", spell(image))}]
    label["properties"] |= {"label:type": "raster"}
    whole(dest, run_cli("mirror", site.json("/label.json", spell(label)), dest), items[:2])
    (link,) = [one for one in Mirrored(dest).item("i0")["links"] if "source" in str(one["rel"]).lower()]
    assert link["href"] == "../i1/i1.json"


def test_a_link_without_a_target_is_told(site, run_cli, dest, spell):
    catalogue = {"type": "Catalog", "stac_version": "1.0.0", "id": "c", "description": "c"}
    ran = run_cli(
        "mirror", site.json("/c.json", spell({**catalogue, "links": [{"rel": "item", "href": None}]})), dest
    )
    assert ran.code == 4 and "1 of its links lead nowhere" in ran.err
