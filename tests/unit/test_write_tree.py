"""The catalogue of the mirror, as pystac and the STAC schemas read it."""

import hashlib
import json
from pathlib import Path

import pystac
import pytest

from mlhub_async.core.model import Collection
from mlhub_async.stac.write.collection import catalog_json, collection_json
from mlhub_async.stac.write.extent import Extent
from mlhub_async.stac.write.hrefs import DocumentLocation
from mlhub_async.stac.write.item import item_json
from support.items import FILE, hrefs, item, record
from support.schemas import offline_validator


def document(chunks):
    return json.loads(b"".join(chunks))


KENYA = {  # as in the archive ref_african_crops_kenya_02_labels: no `type`, 1.0.0-beta.2, no root link
    "id": "kenya_labels",
    "description": "No Description",
    "extent": {
        "spatial": {"bbox": [[34.0, 0.1, 34.2, 0.4], [34.0, 0.4, 34.2, 0.7]]},
        "temporal": {"interval": [["2019-01-01T00:00:00Z", "2019-12-31T00:00:00Z"]]},
    },
    "license": "CC-BY-SA-4.0",
    "keywords": None,
    "links": [{"rel": "item", "href": "tile_00_label/stac.json"}],
    "providers": [{"name": "Radiant", "roles": ["licensor"], "url": "https://radiant.earth"}],
    "sci:citation": "R",
    "stac_version": "1.0.0-beta.2",
}
SU_SAR = {  # as in the catalogue su_sar_moisture_content_main: a relative self link, an empty `assets`
    "id": "su_sar",
    "stac_version": "1.0.0",
    "type": "Collection",
    "description": "SAR-Enhanced Mapping of Live Fuel Moisture Content",
    "links": [
        {"rel": "self", "href": "collection.json"},
        {"rel": "item", "href": "su_0001/su_0001.json"},
        {"rel": "license", "href": "LICENSE.txt"},
        {"rel": "about", "href": "https://radiant.earth/about?key=CANARY"},
    ],
    "extent": {
        "spatial": {"bbox": [[-123.5, 28.3, -93.8, 48.4]]},
        "temporal": {"interval": [["2015-06-30T00:00:00Z", "2017-06-21T00:00:00Z"]]},
    },
    "license": "CC-BY-NC-ND-4.0",
    "stac_extensions": [],
    "assets": {},
}
LABEL = {
    "label:description": "Kenya Tile 00 Labels",
    "label:methods": ["manual"],
    "label:properties": None,
    "label:tasks": ["segmentation"],
    "label:type": "raster",
}
ITEMS = [
    item(
        "tile_00_label",
        "kenya_labels",
        "file:///src/kenya_labels/tile_00_label/stac.json",
        stac_version="1.0.0-beta.2",
        stac_extensions=["label"],
        properties={"datetime": "2019-12-31T00:00:00Z", **LABEL},
        links=[
            {"rel": "collection", "href": "../collection.json"},
            {"rel": "source", "href": "../../kenya_source/tile_00_20190606/stac.json"},
        ],
        assets={"labels": {"href": "labels.tif", "type": "image/tiff", "title": "Field Labels"}},
    ),
    item(
        "su_0001",
        "su_sar",
        "https://blob.test/su/su_0001/su_0001.json",
        properties={
            "datetime": None,
            "start_datetime": "2015-06-30T00:00:00Z",
            "end_datetime": "2015-07-30T00:00:00Z",
        },
        links=[{"rel": "self", "href": "su_0001.json"}],
        assets={"labels": {"href": "https://blob.test/f_0001.geojson", "type": "application/geo+json"}},
    ),
    item(
        "S2:A/../B",
        "made up",
        stac_version="1.1.0",
        properties={"datetime": "2021-01-01T00:00:00Z", "x:y": [1]},
    ),
    item("no assets", "made up", stac_version="1.1.0", assets=None),
    item("alone", None),
]
NAMES = {"S2:A/../B": "S2%3AA%2F..%2FB~0123456789", "made up": "made up ünï"}


def location_of(item):
    name = NAMES.get(item.id, item.id)
    folder = NAMES.get(item.collection, item.collection)
    if folder == "_no-collection":
        return DocumentLocation(f"_no-collection/{name}/{name}.json")
    return DocumentLocation(f"{folder}/{name}/{name}.json", f"{folder}/collection.json")


@pytest.fixture
def tree(tmp_path):
    """A mirror of ITEMS, written by the functions under test and then moved to another directory."""
    made = tmp_path / "made"
    extents, paths = {}, {}
    for one in ITEMS:
        location = location_of(one)
        folder = location.path.rpartition("/")[0]
        records = {key: record(f"{folder}/{key}.tif", one.id.encode()) for key in one.body["assets"] or {}}
        for known in records.values():
            put(made / known.path, one.id.encode())
        put(made / location.path, item_json(one, records, location))
        extents.setdefault(one.collection, Extent()).add(one.body)
        paths.setdefault(one.collection, []).append(location.path)
    given = {"kenya_labels": (KENYA, "file:///src/kenya_labels/collection.json")}
    given["su_sar"] = (SU_SAR, "https://blob.test/su/collection.json")
    children = []
    for id in ("kenya_labels", "su_sar", "made up"):
        location = DocumentLocation(f"{NAMES.get(id, id)}/collection.json")
        source = Collection(id, *given[id]) if id in given else id
        put(made / location.path, b"".join(collection_json(source, location, paths[id], {}, extents[id])))
        children.append((id, location.path))
    put(made / "catalog.json", b"".join(catalog_json("test", "A test", children, paths["_no-collection"])))
    return made.rename(tmp_path / "moved")


def put(path: Path, data: bytes):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pystac")
def test_pystac_reads_every_item_and_finds_every_asset_after_the_tree_was_moved(tree):
    catalog = pystac.Catalog.from_file(str(tree / "catalog.json"))
    items = {item.id: item for item in catalog.get_items(recursive=True)}
    assert sorted(items) == sorted(one.id for one in ITEMS)
    paths = [asset.get_absolute_href() for one in items.values() for asset in one.assets.values()]
    assert len(paths) == 4
    assert all(Path(path).is_relative_to(tree) and Path(path).is_file() for path in paths)


def test_pystac_finds_collections_and_parents(tree):
    catalog = pystac.Catalog.from_file(str(tree / "catalog.json"))
    assert [child.id for child in catalog.get_children()] == ["kenya_labels", "su_sar", "made up"]
    for one in catalog.get_items(recursive=True):
        wanted = one.collection_id or "test"
        assert one.get_parent().id == wanted
        assert one.get_root().id == "test"
        assert (one.get_collection().id if one.collection_id else one.get_collection()) in (wanted, None)


def test_file_sizes_and_checksums_in_items_match_the_files(tree):
    for one in pystac.Catalog.from_file(str(tree / "catalog.json")).get_items(recursive=True):
        for asset in one.assets.values():
            data = Path(asset.get_absolute_href()).read_bytes()
            assert asset.extra_fields["file:size"] == len(data)
            assert asset.extra_fields["file:checksum"] == "1220" + hashlib.sha256(data).hexdigest()


def test_every_document_is_valid_stac_with_all_extensions_it_declares(tree):
    offline_validator()
    documents = [json.loads(path.read_bytes()) for path in tree.rglob("*.json")]
    documents = [one for one in documents if one["stac_version"] in ("1.0.0", "1.1.0")]
    assert len(documents) == 7
    assert sum(FILE in one.get("stac_extensions", ()) for one in documents) == 3
    for one in documents:
        pystac.validation.validate_dict(one)


def test_only_links_to_the_network_are_absolute(tree):
    for path in tree.rglob("*.json"):
        for link in json.loads(path.read_bytes())["links"]:
            assert link["href"].startswith(("./", "../", "https://")), (path, link)
            assert link["rel"] != "self"


def test_no_secret_of_the_source_is_in_the_tree(tree):
    assert not [path for path in tree.rglob("*.json") if b"CANARY" in path.read_bytes()]


def test_a_collection_document_is_kept_and_its_links_are_replaced():
    chunks = collection_json(
        Collection("su_sar", SU_SAR, "https://blob.test/su/collection.json"),
        DocumentLocation("su_sar/collection.json"),
        ["su_sar/a/a.json", "su_sar/b/b.json"],
        {},
        Extent(),
    )
    body = document(chunks)
    assert {k: v for k, v in body.items() if k != "links"} == {
        k: v for k, v in SU_SAR.items() if k != "links"
    }
    assert hrefs(body, "root") == hrefs(body, "parent") == ["../catalog.json"]
    assert hrefs(body, "item") == ["./a/a.json", "./b/b.json"]
    assert hrefs(body, "license") == ["https://blob.test/su/LICENSE.txt"]
    assert hrefs(body, "about") == ["https://radiant.earth/about"]
    assert hrefs(body, "canonical") == ["https://blob.test/su/collection.json"]


@pytest.mark.parametrize(
    "name",
    [
        "a",
        ",",
        '","',
        '\\"',
        "\\",
        '\\",\\"',
        "a\x01b",
        "\u00e4\U0001f600",
        "\udce4",
        '"},{"',
        "../x",
        "x://u:p@h?sig=1",
    ],
)
def test_links_to_items_are_right_whatever_their_names(name):
    """They are written many at a time."""
    paths = [f"c/{one}.json" for one in ("a", name, name, "z")] + [f"elsewhere/{name}"]
    body = document(collection_json("c", DocumentLocation("c/collection.json"), paths, {}, Extent()))
    links = [link for link in body["links"] if link["rel"] == "item"]
    assert [link["href"] for link in links] == [
        *(f"./{one}.json" for one in ("a", name, name, "z")),
        f"../elsewhere/{name}",
    ]
    assert {link["type"] for link in links} == {"application/geo+json"}


def test_assets_of_a_collection_link_to_their_files():
    source = Collection(
        "c", {**SU_SAR, "assets": {"doc": {"href": "doc.pdf"}}}, "https://x.test/c/collection.json"
    )
    records = {"doc": record("c/_common/doc.pdf", b"pdf")}
    body = document(collection_json(source, DocumentLocation("c/collection.json"), [], records, Extent()))
    assert body["assets"]["doc"]["href"] == "./_common/doc.pdf"
    assert body["stac_extensions"] == [FILE]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"type": None, "extent": None, "stac_version": None},
        {"id": None, "extent": {"spatial": None, "temporal": {}}, "assets": None},
        {"type": "Catalog", "stac_version": "1.0.0-rc.1"},
        {"type": "Collection", "stac_version": "1.0.0-beta.2", "providers": None, "summaries": None},
        {"stac_version": "1.0.0", "keywords": None, "title": None, "stac_extensions": None},
    ],
)
def test_a_collection_without_required_fields_becomes_one_that_pystac_reads(fields, tmp_path):
    extent = Extent()
    extent.add(item().body)
    source = Collection("c", fields, "")
    path = tmp_path / "collection.json"
    path.write_bytes(b"".join(collection_json(source, DocumentLocation("c/collection.json"), [], {}, extent)))
    read = pystac.Collection.from_dict(json.loads(path.read_bytes()))
    assert read.id == "c"
    assert read.extent.spatial.bboxes == [[34.2, 0.2, 34.2, 0.2]]


def test_a_collection_of_a_million_items_is_never_held_in_memory():
    number = 0

    def paths():
        nonlocal number
        for number in range(1_000_000):
            yield f"c/{number}/{number}.json"

    chunks = collection_json("c", DocumentLocation("c/collection.json"), paths(), {}, Extent())
    assert next(chunks)
    next(chunks), next(chunks)
    assert 0 < number < 5_000


def test_the_root_links_to_collections_and_to_items_without_one():
    body = document(catalog_json("mlhub", "", [("A", "a/collection.json")], ["_no-collection/i/i.json"]))
    assert (body["id"], body["type"], body["stac_version"]) == ("mlhub", "Catalog", "1.0.0")
    assert body["description"]
    assert hrefs(body, "child") == ["./a/collection.json"]
    assert hrefs(body, "item") == ["./_no-collection/i/i.json"]
