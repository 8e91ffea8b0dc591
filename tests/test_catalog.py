"""The mirrored STAC: what readers that know nothing of us find in it, and what never gets into it."""

import hashlib
import json
import random
from datetime import UTC, datetime
from pathlib import Path

import pystac
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlhub_async.catalog import Extent, Place, catalog_json, collection_json, item_json
from mlhub_async.errors import TransferError
from mlhub_async.model import Collection, Item, Proof, Record

FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
API = "https://api.test/mlhub/v1"


def item(id="i", collection="c", href=f"{API}/collections/c/items/i", **fields):
    body = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": id,
        "collection": collection,
        "geometry": {"type": "Point", "coordinates": [34.2, 0.2]},
        "bbox": [34.2, 0.2, 34.2, 0.2],
        "properties": {"datetime": "2019-07-21T00:00:00Z"},
        "links": [],
        "assets": {"B01": {"href": f"{API}/download/gAAAAABtoken", "type": "image/tiff"}},
    }
    if collection is None:
        del body["collection"]
    return Item(id, collection or "_no-collection", {**body, **fields}, href)


def record(path, data=b"x", proof=Proof.SIZE):
    return Record(path, len(data), hashlib.sha256(data).hexdigest(), 0, proof)


PLACE = Place("c/i/i.json", "c/collection.json")


def written(item, records=None, place=PLACE):
    return json.loads(item_json(item, records or {}, place))


def hrefs(body, rel):
    return [link["href"] for link in body["links"] if link["rel"] == rel]


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


def place_of(item):
    name = NAMES.get(item.id, item.id)
    folder = NAMES.get(item.collection, item.collection)
    if folder == "_no-collection":
        return Place(f"_no-collection/{name}/{name}.json")
    return Place(f"{folder}/{name}/{name}.json", f"{folder}/collection.json")


@pytest.fixture
def tree(tmp_path):
    """A mirror of ITEMS made of the functions under test, moved away from where it was made."""
    made = tmp_path / "made"
    extents, paths = {}, {}
    for one in ITEMS:
        place = place_of(one)
        folder = place.path.rpartition("/")[0]
        records = {key: record(f"{folder}/{key}.tif", one.id.encode()) for key in one.body["assets"] or {}}
        for known in records.values():
            put(made / known.path, one.id.encode())
        put(made / place.path, item_json(one, records, place))
        extents.setdefault(one.collection, Extent()).add(one.body)
        paths.setdefault(one.collection, []).append(place.path)
    given = {"kenya_labels": (KENYA, "file:///src/kenya_labels/collection.json")}
    given["su_sar"] = (SU_SAR, "https://blob.test/su/collection.json")
    children = []
    for id in ("kenya_labels", "su_sar", "made up"):
        place = Place(f"{NAMES.get(id, id)}/collection.json")
        source = Collection(id, *given[id]) if id in given else id
        put(made / place.path, b"".join(collection_json(source, place, paths[id], {}, extents[id])))
        children.append((id, place.path))
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


def test_what_the_file_extension_says_is_true_of_the_files(tree):
    for one in pystac.Catalog.from_file(str(tree / "catalog.json")).get_items(recursive=True):
        for asset in one.assets.values():
            data = Path(asset.get_absolute_href()).read_bytes()
            assert asset.extra_fields["file:size"] == len(data)
            assert asset.extra_fields["file:checksum"] == "1220" + hashlib.sha256(data).hexdigest()


def test_nothing_in_the_tree_is_absolute_but_what_leads_to_the_network(tree):
    for path in tree.rglob("*.json"):
        for link in json.loads(path.read_bytes())["links"]:
            assert link["href"].startswith(("./", "../", "https://")), (path, link)
            assert link["rel"] != "self"


def test_no_secret_of_the_source_is_in_the_tree(tree):
    assert not [path for path in tree.rglob("*.json") if b"CANARY" in path.read_bytes()]


def test_an_item_keeps_its_fields_their_order_and_their_flaws():
    odd = item(
        properties={"datetime": "never", "x": None}, bbox="none", geometry=None, zz={"b": 1, "a": [None]}
    )
    body = written(odd)
    assert list(body) == list(odd.body)
    assert {k: v for k, v in body.items() if k not in ("links", "assets")} == {
        k: v for k, v in odd.body.items() if k not in ("links", "assets")
    }


def test_the_item_that_was_read_is_not_changed():
    one = item(links=[{"rel": "self", "href": "x"}], stac_extensions=["label"])
    before = json.dumps(one.body)
    written(one, {"B01": record("c/i/B01.tif")})
    assert json.dumps(one.body) == before


def test_structural_links_lead_into_the_mirror_and_self_is_gone():
    rels = ("self", "root", "parent", "collection")
    body = written(item(links=[{"rel": rel, "href": f"{API}/{rel}"} for rel in rels]))
    assert hrefs(body, "root") == ["../../catalog.json"]
    assert hrefs(body, "parent") == hrefs(body, "collection") == ["../collection.json"]
    assert hrefs(body, "self") == []


def test_an_item_without_a_collection_hangs_on_the_root():
    body = written(item(collection=None), place=Place("_no-collection/i/i.json"))
    assert hrefs(body, "parent") == ["../../catalog.json"]
    assert hrefs(body, "collection") == []


def test_an_item_that_names_no_collection_gets_no_collection_link_that_would_make_it_invalid():
    one = item()
    del one.body["collection"]
    body = written(one)
    assert hrefs(body, "parent") == ["../collection.json"]
    assert hrefs(body, "collection") == []
    assert "collection" not in body


@pytest.mark.parametrize(
    "self_link, origin",
    [
        (f"{API}/collections/c/items/i?key=CANARY", f"{API}/collections/c/items/i"),
        ("i.json", f"{API}/collections/c/items/i.json"),
        ("javascript:alert(1)", f"{API}/collections/c/items/i"),
        (None, f"{API}/collections/c/items/i"),
    ],
)
def test_the_canonical_link_is_where_the_item_came_from(self_link, origin):
    assert hrefs(written(item(links=[{"rel": "self", "href": self_link}])), "canonical") == [origin]


def test_the_publishers_canonical_link_stays_the_only_one():
    body = written(item(links=[{"rel": "canonical", "href": "https://doi.test/i"}]))
    assert hrefs(body, "canonical") == ["https://doi.test/i"]
    assert hrefs(body, "via") == [f"{API}/collections/c/items/i"]


def test_an_item_read_from_a_disk_does_not_say_from_where():
    assert b"/home/someone" not in item_json(
        item(href="file:///home/someone/i.json"), {}, Place("c/i/i.json")
    )


@pytest.mark.parametrize(
    "href, kept",
    [
        ("../../source/x.json", f"{API}/collections/source/x.json"),
        ("https://doi.test/x?a=1&key=CANARY", "https://doi.test/x?a=1"),
        ("https://s3.test/x?X-Amz-Signature=CANARY", "https://s3.test/x"),
        ("mailto:who@example.test", "mailto:who@example.test"),
        ("docker://registry/image", "docker://registry/image"),
        ("ftp://user:CANARY@host/x", "ftp://host/x"),
        ("/etc/passwd", "https://api.test/etc/passwd"),
        ("file:///etc/passwd", "unusable:file%3A///etc/passwd"),
        ("https://user:CANARY@host/x", "unusable:https%3A//host/x"),
        ("C:\\secret", "unusable:C%3A%5Csecret"),
        ("\\\\host\\share", "unusable:%5C%5Chost%5Cshare"),
    ],
)
def test_what_leads_out_of_the_mirror_is_absolute_without_secrets_and_opens_no_local_file(href, kept):
    alternate = {"other": {"href": href}, "odd": None}
    body = written(
        item(
            links=[{"rel": "source", "href": href, "title": "t"}],
            assets={"a": {"href": href, "alternate": alternate}},
        )
    )
    assert [link for link in body["links"] if link["rel"] == "source"] == [
        {"rel": "source", "href": kept, "title": "t"}
    ]
    assert body["assets"]["a"]["href"] == kept
    assert body["assets"]["a"]["alternate"] == {"other": {"href": kept}, "odd": None}


def test_an_asset_that_is_not_here_of_a_local_source_is_pointed_to_only_inside_that_source():
    assets = {"in": {"href": "b.tif"}, "out": {"href": "../../../etc/passwd"}, "abs": {"href": "/src2/x"}}
    local = item(href="file:///src/c/i/i.json", assets=assets)
    known = written(local, place=Place("c/i/i.json", source_root="/src"))["assets"]
    assert known["in"]["href"] == "file:///src/c/i/b.tif"
    assert known["out"]["href"] == "unusable:../../../etc/passwd"
    assert known["abs"]["href"] == "unusable:/src2/x"
    unknown = written(local)["assets"]
    assert all(asset["href"].startswith("unusable:") for asset in unknown.values())


def test_a_dangling_link_of_a_local_source_stays_as_it_is_unless_it_leaves_the_mirror():
    links = [{"rel": "source", "href": "../../s/stac.json"}, {"rel": "via", "href": "../../../s.json"}]
    body = written(item(href="file:///src/c/i/i.json", links=links))
    assert hrefs(body, "source") == ["../../s/stac.json"]
    assert hrefs(body, "via") == ["unusable:../../../s.json"]


@pytest.mark.parametrize(
    "junk", [None, 7, "x", {}, [None, "x", {}, {"rel": ["self"], "href": "x"}, {"rel": "via"}]]
)
def test_links_that_are_no_links_are_left_out(junk):
    assert {link["rel"] for link in written(item(links=junk))["links"]} == {
        "root",
        "parent",
        "collection",
        "canonical",
    }


@pytest.mark.parametrize("assets", [[], "x", {"a": None}, {"a": {}}, {"a": {"href": None}}])
def test_assets_that_are_none_stay_as_they_are(assets):
    assert written(item(assets=assets), {"a": record("c/i/a")} if assets == [] else {})["assets"] == assets


def test_an_asset_on_disk_says_where_how_large_and_with_which_digest():
    one = item(
        assets={"a": {"href": "https://x.test/a?sig=CANARY", "roles": ["data"]}, "b": {"href": "b.tif"}}
    )
    body = written(one, {"a": record("c/_common/a.tif", b"data")})
    assert body["assets"]["a"] == {
        "href": "../_common/a.tif",
        "roles": ["data"],
        "file:size": 4,
        "file:checksum": "1220" + hashlib.sha256(b"data").hexdigest(),
    }
    assert body["assets"]["b"] == {"href": f"{API}/collections/c/items/b.tif"}
    assert body["stac_extensions"] == [FILE]


@pytest.mark.parametrize(
    "declared, then",
    [
        (None, [FILE]),
        (["label"], ["label", FILE]),
        (["file"], ["file"]),
        (["https://stac-extensions.github.io/file/v1.0.0/schema.json"],) * 2,
        ([7, FILE], [7, FILE]),
    ],
)
def test_the_file_extension_is_declared_once(declared, then):
    assert written(item(stac_extensions=declared), {"B01": record("c/i/B01.tif")})["stac_extensions"] == then


def test_the_file_extension_is_not_declared_where_nothing_was_added():
    assert "stac_extensions" not in written(item())
    assert "stac_extensions" not in written(item(assets={"a": None}), {"a": record("c/i/a")})


OURS = "1220" + hashlib.sha256(b"x").hexdigest()
MD5 = "d50110" + hashlib.md5(b"x").hexdigest()


@pytest.mark.parametrize(
    "published, proof, then",
    [
        (MD5, Proof.CHECKSUM, MD5),
        (MD5, Proof.SIZE, OURS),
        ("12149f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b", Proof.CHECKSUM, OURS),
        ("7fff01ab", Proof.CHECKSUM, OURS),
        (MD5.removeprefix("d50110"), Proof.CHECKSUM, OURS),
        ("no multihash", Proof.CHECKSUM, OURS),
        (None, Proof.CHECKSUM, OURS),
        (7, Proof.CHECKSUM, OURS),
    ],
)
def test_a_published_digest_stays_only_where_it_was_proven(published, proof, then):
    one = item(assets={"a": {"href": "https://x.test/a", "file:checksum": published}})
    assert written(one, {"a": record("c/i/a", proof=proof)})["assets"]["a"]["file:checksum"] == then


@pytest.mark.parametrize(
    "base, href",
    [
        ("/data/mirror", "/data/mirror/c/i/a%3Ab ü.tif"),
        ("https://m.test/", "https://m.test/c/i/a%253Ab%20%C3%BC.tif"),
    ],
)
def test_asset_hrefs_are_absolute_where_a_reader_wants_them_so(base, href):
    place = Place("c/i/i.json", "c/collection.json", base=base)
    body = written(item(), {"B01": record("c/i/a%3Ab ü.tif")}, place)
    assert body["assets"]["B01"]["href"] == href
    assert hrefs(body, "root") == ["../../catalog.json"]


@given(st.text(max_size=8), st.text(max_size=8))
def test_every_item_that_json_can_hold_is_written_as_json(key, text):
    one = item(
        text, assets={key: {"href": text}}, links=[{"rel": "via", "href": text}], x={text: text + "\ud800"}
    )
    assert written(one)["x"] == {text: text + "\ud800"}


def test_numbers_beyond_64_bits_and_deep_nesting_are_written_too():
    deep = []
    for _ in range(300):
        deep = [deep]
    assert written(item(n=1 << 70, deep=deep))["n"] == 1 << 70


def test_what_no_json_can_hold_fails_this_item_by_name():
    with pytest.raises(TransferError, match="the document 'i' cannot be written"):
        item_json(item(x=object()), {}, Place("c/i/i.json"))


def test_a_collection_document_is_kept_and_its_links_are_replaced():
    chunks = collection_json(
        Collection("su_sar", SU_SAR, "https://blob.test/su/collection.json"),
        Place("su_sar/collection.json"),
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


def test_the_assets_of_a_collection_lead_to_their_files():
    source = Collection(
        "c", {**SU_SAR, "assets": {"doc": {"href": "doc.pdf"}}}, "https://x.test/c/collection.json"
    )
    records = {"doc": record("c/_common/doc.pdf", b"pdf")}
    body = document(collection_json(source, Place("c/collection.json"), [], records, Extent()))
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
def test_a_meagre_collection_becomes_one_that_pystac_reads(fields, tmp_path):
    extent = Extent()
    extent.add(item().body)
    source = Collection("c", fields, "")
    path = tmp_path / "collection.json"
    path.write_bytes(b"".join(collection_json(source, Place("c/collection.json"), [], {}, extent)))
    read = pystac.Collection.from_dict(json.loads(path.read_bytes()))
    assert read.id == "c"
    assert read.extent.spatial.bboxes == [[34.2, 0.2, 34.2, 0.2]]


def test_a_collection_of_a_million_items_is_never_held_in_memory():
    taken = 0

    def paths():
        nonlocal taken
        for taken in range(1_000_000):
            yield f"c/{taken}/{taken}.json"

    chunks = collection_json("c", Place("c/collection.json"), paths(), {}, Extent())
    assert next(chunks)
    next(chunks), next(chunks)
    assert 0 < taken < 5_000


def test_the_root_links_collections_and_items_without_one():
    body = document(catalog_json("mlhub", "", [("A", "a/collection.json")], ["_no-collection/i/i.json"]))
    assert (body["id"], body["type"], body["stac_version"]) == ("mlhub", "Catalog", "1.0.0")
    assert body["description"]
    assert hrefs(body, "child") == ["./a/collection.json"]
    assert hrefs(body, "item") == ["./_no-collection/i/i.json"]


def test_an_extent_covers_its_items_and_leaves_out_what_it_cannot_read():
    extent = Extent()
    for bbox in (
        [1, 2, 3, 4],
        [0, 2, -10, 5, 6, 10],
        None,
        [1, 2],
        ["a"] * 4,
        [float("nan")] * 4,
        [1, 9, 2, 3],
        7,
    ):
        extent.add({"bbox": bbox})
    assert extent.json["spatial"] == {"bbox": [[0, 2, 5, 6]]}
    assert extent.json["temporal"] == {"interval": [[None, None]]}


def test_a_box_over_the_antimeridian_takes_in_all_longitudes():
    extent = Extent()
    extent.add({"bbox": [170, -20, -170, -10]})
    assert extent.json["spatial"] == {"bbox": [[-180, -20, 180, -10]]}


@pytest.mark.parametrize(
    "properties, interval",
    [
        ({"datetime": "2020-01-01T00:00:00Z"}, ["2020-01-01T00:00:00Z"] * 2),
        ({"datetime": "2020-01-01T02:00:00+02:00"}, ["2020-01-01T00:00:00Z"] * 2),
        ({"datetime": "2020-01-01"}, ["2020-01-01T00:00:00Z"] * 2),
        (
            {
                "datetime": None,
                "start_datetime": "2020-01-01T00:00:00.5Z",
                "end_datetime": "2021-01-01T00:00:00Z",
            },
            ["2020-01-01T00:00:00.500000Z", "2021-01-01T00:00:00Z"],
        ),
        ({"datetime": None, "start_datetime": "2020-01-01T00:00:00Z"}, ["2020-01-01T00:00:00Z", None]),
        ({"datetime": "0001-01-01T00:00:00+23:00"}, [None, None]),
        ({"datetime": "yesterday"}, [None, None]),
        ({"datetime": 7}, [None, None]),
        (None, [None, None]),
    ],
)
def test_the_time_of_an_item_is_read_leniently(properties, interval):
    extent = Extent()
    extent.add({"properties": properties})
    assert extent.json["temporal"] == {"interval": [interval]}


boxes = st.tuples(*[st.floats(-180, 180), st.floats(-90, 90)] * 2).map(list)
times = st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
bodies = st.builds(lambda box, time: {"bbox": box, "properties": {"datetime": time}}, boxes, times)


@given(st.lists(bodies), st.integers(0, 10), st.randoms())
def test_extents_do_not_depend_on_order_or_on_how_the_work_was_split(found, cut, shuffle):
    whole, left, right = Extent(), Extent(), Extent()
    for body in found:
        whole.add(body)
    mixed = list(found)
    random.Random(shuffle.random()).shuffle(mixed)
    for body in mixed[:cut]:
        left.add(body)
    for body in mixed[cut:]:
        right.add(body)
    left.merge(right)
    assert left.json == whole.json
    assert Extent(json.loads(json.dumps(whole.state))).json == whole.json
