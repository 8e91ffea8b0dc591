"""Documents that are met at links of a catalogue are used as what they are, or named in errors.jsonl."""

import pytest

from support.documents import link
from support.mirrored import Mirrored, publish
from support.server import Status, tif
from support.stac_server import Api, answer, stac_collection, stac_item
from support.wire_format import Reply

JSON, HTML = {"type": "application/json"}, {"type": "text/html"}
ERRORS = {
    "message": {"message": "Internal server error"},
    "error": {"error": {"code": 499, "message": "Token Required"}},
    "id": {"id": "j", "error": "timeout", "links": []},
    "list": [],
    "null": None,
    "text": "no such item",
    "number": 17,
    "geometry": {"type": "Polygon", "coordinates": []},
    "feature": {"type": "Feature", "id": "j", "geometry": None, "properties": {"class": 1}},
    "geojson": {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}}] * 3},
}


def catalog(*links, **more):
    about = {"type": "Catalog", "stac_version": "1.0.0", "id": "root", "description": "x"}
    return {**about, "links": list(links), **more}


def mirror(run_cli, site, dest, path="/catalog.json", *words):
    return run_cli("mirror", site.url(path), dest, "-R", "1", "-q", "--allow-private", *words)


def items_of(dest):
    return sorted(Mirrored(dest).files)


def put_two(site, rel, body):
    """A collection with the item i, and a link of this relation to another document. i has a file."""
    item, other = publish(site, ["i", "j"])
    site.json("/i.json", item)
    site.json("/other.json", other if body is ... else body)
    links = [link(rel, "./other.json"), link("item", "./i.json")]
    site.json("/catalog.json", stac_collection("c1", links=links))


@pytest.mark.parametrize("rel", ["item", "items", "child"])
@pytest.mark.parametrize("body", ERRORS.values(), ids=ERRORS)
def test_a_document_that_is_no_stac_is_one_row_and_prunes_nothing(run_cli, site, dest, rel, body):
    put_two(site, rel, ...)
    assert mirror(run_cli, site, dest).code == 0
    assert items_of(dest) == ["c1/i/data.tif", "c1/j/data.tif"]
    put_two(site, rel, body)
    assert mirror(run_cli, site, dest, "/catalog.json", "--prune").code == 4
    assert items_of(dest) == ["c1/i/data.tif", "c1/j/data.tif"]
    rows = [row for row in Mirrored(dest).errors if row["error"]["class"] != "prune"]
    assert len(rows) == 1 and site.url("/other.json") in rows[0]["error"]["message"]
    assert not Mirrored(dest).receipt["listing"]["complete"]


@pytest.mark.parametrize("rel", ["item", "items", "child"])
@pytest.mark.parametrize("form", ["whole", "paged", "array", "no type"])
def test_a_link_to_a_list_of_items_brings_its_items(run_cli, site, dest, rel, form):
    items = publish(site, list("abcd"))
    whole = {"type": "FeatureCollection", "features": items}
    first = {**whole, "features": items[:2], "links": [link("next", "./more.json")]}
    forms = {"whole": whole, "paged": first, "array": items, "no type": {"features": items}}
    site.json("/list.json", forms[form])
    site.json("/more.json", {**whole, "features": items[2:]})
    site.json("/catalog.json", stac_collection("c1", links=[link(rel, "./list.json")]))
    assert mirror(run_cli, site, dest).code == 0
    assert items_of(dest) == [f"c1/{name}/data.tif" for name in "abcd"]
    assert site.count("/list.json") == 1
    few = dest.with_name("few")
    assert mirror(run_cli, site, few, "/catalog.json", "--max-items", "3").code == 0
    assert len(items_of(few)) == 3
    one = dest.with_name("one")
    assert mirror(run_cli, site, one, "/catalog.json", "--ids", "c").code == 0
    assert items_of(one) == ["c1/c/data.tif"]


def test_a_list_of_items_that_breaks_off_keeps_what_came_and_is_not_complete(run_cli, site, dest):
    items = publish(site, list("ab"))
    links = [link("next", "./gone.json")]
    site.json("/list.json", {"type": "FeatureCollection", "features": items, "links": links})
    site.put("/gone.json", always=[Status(503)])
    site.json("/catalog.json", stac_collection("c1", links=[link("item", "./list.json")]))
    assert mirror(run_cli, site, dest).code == 5
    assert items_of(dest) == ["c1/a/data.tif", "c1/b/data.tif"]


class TestAnApiBelowAStaticCatalogue:
    """The child link of a static catalogue leads to the landing page of an API."""

    @pytest.fixture
    def url(self, site):
        items = publish(site, ["x", "y", "z"])
        for item, name in zip(items, ("a", "a", "b"), strict=True):
            item["collection"] = name
        items[1]["bbox"] = [50.0, 2.0, 50.0, 2.0]
        items[1]["geometry"] = {"type": "Point", "coordinates": [50.0, 2.0]}
        api = Api(site, items)
        (own,) = publish(site, ["own"])
        site.json("/st/own.json", {**own, "collection": "st"})
        site.json("/st/c.json", stac_collection("st", links=[link("item", "./own.json")]))
        site.json("/catalog.json", catalog(link("child", api.url), link("child", "./st/c.json")))
        return "/catalog.json"

    @pytest.mark.parametrize(
        ("words", "expected"),
        [
            ((), "a/x a/y b/z st/own"),
            (("-c", "a"), "a/x a/y"),
            (("-c", "st"), "st/own"),
            (("-c", "b", "-c", "st"), "b/z st/own"),
            (("--bbox", "0", "0", "10", "10"), "a/x b/z st/own"),
            (("--ids", "y", "own"), "a/y st/own"),
        ],
    )
    def test_the_selection_means_the_same_in_both(self, run_cli, site, dest, url, words, expected):
        assert mirror(run_cli, site, dest, url, *words).code == 0
        assert items_of(dest) == [f"{one}/data.tif" for one in expected.split()]
        Mirrored(dest).check(0)

    def test_max_items_counts_over_both(self, run_cli, site, dest, url):
        assert mirror(run_cli, site, dest, url, "--max-items", "2").code == 0
        assert len(items_of(dest)) == 2

    def test_an_unknown_collection_or_id_is_reported(self, run_cli, site, dest, url):
        assert mirror(run_cli, site, dest, url, "-c", "nowhere").code == 3
        assert mirror(run_cli, site, dest, url, "-c", "a", "-c", "nowhere").code == 4
        assert mirror(run_cli, site, dest.with_name("ids"), url, "--ids", "x", "nowhere").code == 4

    @pytest.mark.parametrize(("fault", "code"), [(Status(503), 5), (Status(403), 4)])
    def test_an_api_that_cannot_be_read_stops_nothing_else(self, run_cli, site, dest, url, fault, code):
        for path in list(site.routes):
            site.put(path, always=[fault])
        assert mirror(run_cli, site, dest, url).code == code
        assert items_of(dest) == ["st/own/data.tif"]


class TestSeveralFormatsOfOneRelation:
    """HTML, CSV, Parquet and NDJSON twins of a link stand before the JSON one."""

    @pytest.fixture
    def items(self, site):
        site.put("/x.html", b"<!doctype html><p>x", content_type="text/html")
        site.put("/page", b"<!doctype html><p>x", content_type="text/html")
        site.put("/x.csv", b"id\ni\n", content_type="text/csv")
        items = publish(site, ["i", "j"])
        for item in items:
            site.json(f"/{item['id']}.json", item)
        site.json("/list", {"type": "FeatureCollection", "features": items})
        return items

    @pytest.mark.parametrize(
        "twins",
        [
            [link("items", "./x.html", **HTML), link("items", "./x.csv", type="text/csv")],
            [link("items", "./page", **HTML), link("items", "./x.html")],
            [link("items", "./page")],
            [link("items", "./x.parquet", type="application/vnd.apache.parquet")],
            [link("items", "./x.ndjson", type="application/x-ndjson")],
            [link("items", "https://elsewhere.test/", **HTML)],
        ],
    )
    def test_the_items_link_to_json_is_followed(self, run_cli, site, dest, items, twins):
        site.json("/catalog.json", stac_collection("c1", links=[*twins, link("items", "./list")]))
        assert mirror(run_cli, site, dest).code == 0
        assert items_of(dest) == ["c1/i/data.tif", "c1/j/data.tif"]

    @pytest.mark.parametrize("rel", ["child", "item"])
    def test_a_link_to_json_is_followed_whatever_its_twins_are(self, run_cli, site, dest, items, rel):
        twins = [link(rel, "./x.html", **HTML), link(rel, "./page", **HTML)]
        mistyped = link(rel, "./j.json", **HTML)
        links = [*twins, link(rel, "./i.json", type="application/geo+json"), mistyped]
        site.json("/catalog.json", stac_collection("c1", links=links))
        assert mirror(run_cli, site, dest).code == 0
        assert items_of(dest) == ["c1/i/data.tif", "c1/j/data.tif"]

    def test_an_untyped_link_that_is_no_json_is_a_row(self, run_cli, site, dest, items):
        links = [link("item", "./page"), link("item", "./i.json"), link("child", "./x.html")]
        site.json("/catalog.json", stac_collection("c1", links=links))
        assert mirror(run_cli, site, dest).code in (4, 5)
        assert len(Mirrored(dest).errors) == 2 and items_of(dest) == ["c1/i/data.tif"]

    @pytest.mark.parametrize("name", ["x.parquet", "x.ndjson"])
    def test_items_in_another_format_only_are_one_row(self, run_cli, site, dest, items, name):
        links = [link("items", f"./{name}"), link("child", "./d.json")]
        site.json("/d.json", stac_collection("d", links=[link("item", "./i.json")]))
        site.json("/catalog.json", stac_collection("c1", links=links))
        assert mirror(run_cli, site, dest).code == 4
        (row,) = Mirrored(dest).errors
        assert name in row["error"]["message"] and row["error"]["class"] == "unsupported-format"
        assert site.count(f"/{name}") == 0 and items_of(dest) == ["c1/i/data.tif"]
        site.json("/catalog.json", stac_collection("c1", links=[*links[:1], link("item", "./i.json")]))
        assert mirror(run_cli, site, dest.with_name("single")).code == 0

    @pytest.mark.parametrize(
        "data",
        [
            [link("data", "/stac/collections", **JSON)],
            [link("data", "/page"), link("data", "/stac/collections")],
            [link("data", "https://elsewhere.test/"), link("data", "/stac/collections")],
        ],
        ids=["by type", "by what comes", "by origin"],
    )
    def test_of_an_api_the_links_to_json_are_followed(self, run_cli, site, dest, items, data):
        api = Api(site, items)
        root = api.url.removeprefix(site.origin)
        links = [
            link("data", "/x.html", **HTML),
            *data,
            link("search", "/osdd", type="application/opensearchdescription+xml"),
            link("search", "/x.html", **HTML),
            link("search", f"{root}/search", type="application/geo+json", method="GET"),
        ]
        site.json("/landing", catalog(*links, conformsTo=["https://api.stacspec.org/v1.0.0/core"]))
        for number, words in enumerate((("--bbox", "0", "0", "10", "10"), ("-c", "c1"))):
            place = dest.with_name(f"dest{number}")
            assert mirror(run_cli, site, place, "/landing", *words).code == 0
            assert items_of(place) == ["c1/i/data.tif", "c1/j/data.tif"]

    def test_the_next_link_to_json_is_followed(self, run_cli, site, dest, items):
        def page_of(seen):
            if "f=html" in seen.target:
                return Reply(200, [("Content-Type", "text/html")], b"<!doctype html>")
            at = int("offset" in seen.target)
            links = [link("next", "/items?offset=1&f=html", **HTML), link("next", "/items?offset=1")]
            body = {"type": "FeatureCollection", "features": [items[at]], "links": [] if at else links}
            return answer(body)

        site.route("/items", page_of)
        site.json("/catalog.json", stac_collection("c1", links=[link("items", "/items")]))
        assert mirror(run_cli, site, dest).code == 0
        assert items_of(dest) == ["c1/i/data.tif", "c1/j/data.tif"]


@pytest.mark.parametrize("order", [("only", "c1"), ("c1", "only")])
@pytest.mark.parametrize("named", [True, False])
def test_a_collection_of_an_api_without_items_is_listed_by_its_links(run_cli, site, dest, order, named):
    items = publish(site, ["i", "j"])
    site.json("/granules", {"type": "FeatureCollection", "features": items[:1]})
    site.json("/j.json", items[1])
    mask = {"mask": {"href": site.put("/m.tif", tif(900))}}
    links = [link("items", "/granules"), link("item", "/j.json")]
    known = {
        "c1": stac_collection("c1", links=links),
        "only": stac_collection("only", assets=mask),
    }
    site.json("/", catalog(link("data", "/collections"), conformsTo=[]))
    site.json("/collections", {"collections": [known[name] for name in order], "links": []})
    for name, body in known.items():
        site.json(f"/collections/{name}", body)
    words = [word for name in order for word in ("-c", name)] if named else []
    assert mirror(run_cli, site, dest, "/", *words).code == 4
    assert items_of(dest) == ["c1/i/data.tif", "c1/j/data.tif", "only/_common/mask.tif"]
    (row,) = Mirrored(dest).errors
    assert "/collections/only/items" in row["error"]["message"]
    alone = dest.with_name("alone")
    assert mirror(run_cli, site, alone, "/", "-c", "c1").code == 0
    Mirrored(alone).check(0)


@pytest.mark.parametrize("place", ["child", "SOURCE"])
def test_a_list_of_collections_is_followed_page_by_page(run_cli, site, dest, place):
    items = publish(site, ["i", "j"])
    for item, name in zip(items, "ab", strict=True):
        site.json(f"/{name}/items", {"type": "FeatureCollection", "features": [{**item, "collection": name}]})
    first = stac_collection("a", links=[link("items", "/a/items")])
    second = stac_collection("b", links=[link("items", "/b/items")])
    site.json("/collections", {"collections": [first], "links": [link("next", "/collections?n=2")]})
    site.json("/collections?n=2", {"collections": [stac_collection("b", links=[link("self", "/b")])]})
    site.json("/b", second)
    site.json("/catalog.json", catalog(link("child", "/collections")))
    path = "/catalog.json" if place == "child" else "/collections"
    assert mirror(run_cli, site, dest, path).code == 0
    assert items_of(dest) == ["a/i/data.tif", "b/j/data.tif"]


OLD = {
    "bare": {"type": None, "stac_version": None},
    "no version": {"stac_version": None},
    "no type": {"type": None},
    "type Item": {"type": "Item"},
    "0.4": {"stac_version": "0.4.1", "type": None},
    "number": {"stac_version": 1.0},
    "range": {
        "stac_version": "0.5.0",
        "properties": {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"},
    },
    "no geometry": {"type": None, "geometry": None, "bbox": None},
}


@pytest.mark.parametrize("changes", OLD.values(), ids=OLD)
def test_an_item_of_any_age_is_written_so_that_pystac_reads_it(run_cli, site, dest, changes):
    pystac = pytest.importorskip("pystac")
    listed = [{"name": "data", "href": site.put("/d.tif", tif(900))}, {"href": site.put("/e.tif", tif(800))}]
    item = {k: v for k, v in {**stac_item("i"), **changes}.items() if v is not None}
    del item["collection"]
    site.json("/i.json", {**item, "assets": listed, "links": {"self": {"href": "./i.json"}}})
    links = {"self": {"rel": "self", "href": "./catalog.json"}, "item": {"rel": "item", "href": "./i.json"}}
    old = {"stac_version": "0.5.2", "name": "c1", "license": "x", "extent": {"spatial": [0, 0, 1, 1]}}
    site.json("/catalog.json", {**old, "links": links})
    assert mirror(run_cli, site, dest).code == 0
    root = pystac.Catalog.from_file(str(dest / "catalog.json"))
    (read,) = root.get_items(recursive=True)
    assert read.id == "i" and sorted(read.assets) == ["2", "data"] and read.get_parent().id == "c1"
    assert items_of(dest) == ["c1/i/2.tif", "c1/i/data.tif"]
    assert mirror(run_cli, site, dest, "/i.json").code == 0, "SOURCE may be such an item itself"


def test_a_catalogue_of_windows_is_read_with_slashes_for_backslashes(run_cli, site, dest):
    site.put("/k/a/d.tif", tif(900))
    site.json("/k/a/a.json", stac_item("a", data=".\\d.tif", up="..\\a\\d.tif"))
    site.json("/k/c.json", stac_collection("c1", links=[link("item", ".\\a\\a.json")]))
    assert mirror(run_cli, site, dest, "/k/c.json").code == 0
    assert items_of(dest) == ["c1/a/data.tif", "c1/a/up.tif"]
