"""What documents are recognised as, and which of several links with one relation are followed."""

import pytest

from mlhub_async import stac
from mlhub_async.stac import DocumentKind
from support.documents import collection, item, landing, link, page
from support.stac_server import stac_collection, stac_item

BARE = {"id": "i", "properties": {"datetime": "2020-01-01T00:00:00Z"}, "assets": {"a": {"href": "a"}}}

ERRORS = [
    {"message": "Internal server error"},
    {"error": {"code": 499, "message": "Token Required"}},
    {"code": "NotFoundError", "detail": "no such item"},
    {"detail": "Not Found"},
    {"id": "7f", "error": "timeout", "links": []},
    {"id": "7f", "code": 404, "description": "no such item", "links": [link("self", "x")]},
    {"id": "7f", "status": 500, "title": "Oops", "properties": {}, "assets": {}},
    {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "x"},
    {"type": "FeatureCollection", "features": [], "error": "timeout"},
    {"features": [], "message": "timeout", "status": 500},
    {"errors": [{"id": "x", "links": {"about": "y"}}]},
]
OTHERS = [
    [],
    None,
    "text",
    17,
    True,
    {},
    [[]],
    [{"message": "x"}],
    {"type": "Polygon", "coordinates": []},
    {"type": "Feature"},
    {"type": "Feature", "id": "1", "geometry": None, "properties": {"class": "crop"}},
    {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}}]},
    {"type": "Catalog"},
    {"type": "Catalog", "links": []},
    {"type": "Collection", "id": "c"},
    {"type": "Catalog", "id": "c", "links": "none"},
    {"id": "c", "links": []},
    {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": {}},
    {"conformsTo": ["https://api.stacspec.org/v1.0.0/core"]},
]


@pytest.mark.parametrize("body", [*ERRORS, *OTHERS])
def test_what_is_no_stac_is_recognised_as_none_and_described(body):
    assert stac.kind_of(body) is DocumentKind.NONE
    shown = stac.looks_like(body)
    assert shown and len(shown) < 300
    assert "Token" not in shown and "timeout" not in shown, "a message may quote the request"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (stac_item("i"), DocumentKind.ITEM),
        (item("i"), DocumentKind.ITEM),
        (BARE, DocumentKind.ITEM),
        ({**BARE, "type": "Item"}, DocumentKind.ITEM),
        ({"id": "i", "assets": {}, "links": []}, DocumentKind.ITEM),
        ({"id": "i", "geometry": None, "properties": {}, "assets": [], "links": {}}, DocumentKind.ITEM),
        (stac_collection("c"), DocumentKind.COLLECTION),
        (collection("c"), DocumentKind.COLLECTION),
        ({"type": "Collection", "links": [link("item", "i.json")]}, DocumentKind.COLLECTION),
        ({"id": "c", "license": "x", "extent": {}, "assets": {}}, DocumentKind.COLLECTION),
        (collection("c", links=[link("search", "s")]), DocumentKind.COLLECTION),
        ({"type": "Catalog", "id": "c", "links": []}, DocumentKind.CATALOG),
        ({"stac_version": "0.8.1", "id": "c", "links": []}, DocumentKind.CATALOG),
        ({"stac_version": "0.5.2", "name": "c", "links": {"item": "i.json"}}, DocumentKind.CATALOG),
        ({"id": "c", "links": [link("child", "c.json")]}, DocumentKind.CATALOG),
        (landing("GET", links=[link("child", "c"), link("data", "d")]), DocumentKind.LANDING_PAGE),
        (landing(links=[]), DocumentKind.LANDING_PAGE),
        (landing(links=[link("child", "c.json")]), DocumentKind.CATALOG),
        (landing(conformsTo=None), DocumentKind.LANDING_PAGE),
        (
            {
                "type": "Catalog",
                "id": "c",
                "links": [link("data", "table.csv", type="text/csv"), link("item", "i.json")],
            },
            DocumentKind.CATALOG,
        ),
        (page(), DocumentKind.FEATURES),
        (page(item("i")), DocumentKind.FEATURES),
        ({"features": [item("i")]}, DocumentKind.FEATURES),
        ([item("i"), item("j")], DocumentKind.FEATURES),
        ({"collections": [], "links": []}, DocumentKind.COLLECTIONS),
        ([stac_collection("c")], DocumentKind.COLLECTIONS),
    ],
)
def test_a_document_is_recognised_by_its_structure(body, kind):
    assert stac.kind_of(body) is kind


def followed(*links, rel="items"):
    return [one["href"] for one in stac.json_links({"links": list(links)}, rel)]


def test_of_links_with_one_relation_those_to_json_come_first_and_other_formats_are_left_out():
    links = [
        link("items", "a.html"),
        link("items", "b", type="text/html"),
        link("items", "c?f=html", type="text/html"),
        link("items", "d"),
        link("items", "e.parquet", type="application/vnd.apache.parquet"),
        link("items", "f", type="application/x-ndjson"),
        link("items", "g.html", type="application/geo+json; charset=utf-8"),
        link("items", "h", type="APPLICATION/JSON"),
        link("items", "i.csv?x=1"),
        link("item", "j"),
    ]
    assert followed(*links) == ["g.html", "h", "d", "b"]


def test_links_before_stac_06_are_an_object_by_relation():
    links = {
        "self": {"rel": "self", "href": "s"},
        "child": {"href": "c"},
        "item": [{"href": "i"}, "j"],
        "1": {"rel": "item", "href": "k"},
        "next": None,
    }
    assert [one["href"] for one in stac.links_of({"links": links}, "item")] == ["i", "j", "k"]
    assert [one["href"] for one in stac.links_of({"links": links}, "child")] == ["c"]
    assert list(stac.links_of({"links": links}, "next")) == []


def test_assets_in_a_list_get_their_own_keys_or_numbers():
    listed = [
        {"key": "B01", "href": "a"},
        {"name": "data", "href": "b"},
        {"title": "data", "href": "c"},
        {"roles": ["thumbnail"], "href": "d"},
        {"href": "e"},
        "f",
        None,
    ]
    found = stac.item_of(item("i", assets=listed), "https://h.test/i.json")
    assets = {asset.key: asset.href.removeprefix("https://h.test/") for asset in stac.assets_of(found)}
    assert assets == {"B01": "a", "data": "b", "data-3": "c", "thumbnail": "d", "5": "e", "6": "f", "7": ""}
