"""Items and assets from records as servers write them, with missing and invalid fields."""

import pickle

import pytest

from mlhub_async import stac
from mlhub_async.core.model import Collection, Flaw, Item
from mlhub_async.engine.placement.template_fields import TemplateFields
from support.documents import item, link

HERE = "https://api.test/collections/c/items?limit=2"


def of(body, url=HERE) -> Item:
    found = stac.item_of(body, url)
    assert isinstance(found, Item)
    return found


def only_asset(raw, **more):
    (asset,) = stac.assets_of(of(item("i", assets={"k": raw}, **more), "https://api.test/c/i.json"))
    return asset


def test_records_that_are_no_items_are_flaws_between_the_items():
    records = [
        item("a"),
        None,
        "x",
        [],
        {"type": "Feature"},
        {"id": ""},
        {"id": ["a"]},
        {"id": True},
        item("b"),
    ]
    found = list(stac.items_of(records, HERE))
    assert [type(one) for one in found] == [Item, *[Flaw] * 7, Item]
    assert found[1].error.kind == "bad-record" and "record 2 of https://api.test" in found[1].error.message
    assert not found[1].benign


def test_a_number_is_accepted_as_an_id():
    assert of(item(7)).id == "7"


@pytest.mark.parametrize("own", [None, "", 5, ["c"]])
def test_an_item_that_names_no_collection_gets_the_given_one(own):
    body = {**item("i"), "collection": own}
    assert [one.collection for one in stac.items_of([body], HERE, "found-in")] == ["found-in"]
    assert [one.collection for one in stac.items_of([body], HERE)] == ["_no-collection"]


@pytest.mark.parametrize(
    ("own", "base"),
    [
        ("https://api.test/collections/c/items/i", "https://api.test/collections/c/items/i"),
        ("https://evil.test/i", HERE),
        ("https://api.test.evil.test/i", HERE),
        ("file:///etc/i", HERE),
        ("../i/i.json", "https://api.test/collections/i/i.json"),
    ],
)
def test_the_self_link_of_an_item_in_a_page_counts_only_on_the_pages_own_origin(own, base):
    (found,) = stac.items_of([item("i", links=[link("self", own)])], HERE)
    assert found.href == base


def test_the_base_of_an_item_document_is_where_it_was_read():
    assert of(item("i", links=[link("self", "https://api.test/other/i.json")])).href == HERE


@pytest.mark.parametrize("assets", [None, [], "", {}])
def test_an_item_without_assets_has_none(assets):
    assert stac.assets_of(of(item("i", assets=assets))) == []


@pytest.mark.parametrize("assets", ["x", 3, True])
def test_an_item_whose_assets_cannot_be_seen_is_none(assets):
    found = stac.item_of(item("i", assets=assets), HERE)
    assert isinstance(found, Flaw) and "has assets that are no object" in found.error.message


@pytest.mark.parametrize("raw", [None, "x", [], {}, {"href": None}, {"href": 5}, {"href": ["a"]}])
def test_an_asset_without_an_href_is_kept(raw):
    asset = only_asset(raw)
    assert (asset.href, asset.key, asset.item, asset.collection) == ("", "k", "i", "c")


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("https://store.test/a b.tif?sig=x", "https://store.test/a b.tif?sig=x"),
        ("./a.tif", "https://api.test/c/a.tif"),
        ("../_common/a.csv", "https://api.test/_common/a.csv"),
        ("/a.tif", "https://api.test/a.tif"),
        ("s3://bucket/key", "https://bucket.s3.amazonaws.com/key"),
        ("s3:///key", "s3:///key"),
        ("ftp://host/key", "ftp://host/key"),
        ("\\\\host\\share", "\\\\host\\share"),
        ("http://[bad", "http://[bad"),
        ("a\nb", "a\nb"),
    ],
)
def test_relative_hrefs_are_resolved_and_unusable_ones_stay_as_they_are(href, expected):
    assert only_asset({"href": href}).href == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, 0),
        (5_000_000_000, 5_000_000_000),
        (-1, None),
        (True, None),
        (1.5, None),
        ("5", None),
        (None, None),
    ],
)
def test_a_declared_size_is_a_number_of_bytes_or_nothing(size, expected):
    assert only_asset({"href": "a", "file:size": size}).size == expected


@pytest.mark.parametrize(
    "assets", [None, {}, {"a": None, "b": {"href": 5, "type": 5}, "c": {"type": "x", "file:size": 7}}]
)
def test_an_outline_has_the_same_values_as_the_asset(assets):
    found = stac.item_of(item("i", assets=assets), "https://s.test/i")
    assert [(o.key, o.media_type, o.size) for o in stac.outlines_of(found)] == [
        (a.key, a.media_type, a.size) for a in stac.assets_of(found)
    ]


SHA1 = "1114a94a8fe5ccb19ba61c4c0873d391e987982fbbd3"


@pytest.mark.parametrize("name", ["file:checksum", "checksum:multihash"])
def test_a_published_checksum_is_read_under_both_its_names(name):
    found = only_asset({"href": "a", name: SHA1}).checksum
    assert found and found.usable and found.algorithm == "sha1"


@pytest.mark.parametrize("published", [5, "zz", "", ["a"], "00"])
def test_an_unreadable_checksum_is_not_usable(published):
    found = only_asset({"href": "a", "file:checksum": published}).checksum
    assert found is None or not found.usable


def stamp(raw, **properties):
    return only_asset(raw, properties=properties).stamp


def test_the_stamp_changes_with_what_the_catalogue_declares_of_the_content():
    raw = {"href": "https://s.test/a.tif", "file:size": 5, "file:checksum": SHA1}
    same = stamp(raw, updated="2020", datetime="2020-01-01T00:00:00Z")
    assert stamp(dict(raw), updated="2020") == same
    others = [
        stamp({**raw, "file:size": 6}, updated="2020"),
        stamp({**raw, "file:checksum": "1114" + "0" * 40}, updated="2020"),
        stamp({**raw, "href": "https://s.test/b.tif"}, updated="2020"),
        stamp(raw, updated="2021"),
        stamp(raw),
    ]
    assert len({same, *others}) == 6
    assert len(same) < 30


def test_the_stamp_does_not_change_with_a_new_expiring_href():
    tokens = [{"href": f"https://api.test/mlhub/v1/download/gAAAAAB{c * 100}"} for c in "xy"]
    assert stamp(tokens[0]) == stamp(tokens[1])
    signed = [{"href": f"https://s.test/a.tif?se=2022&sig={c * 40}"} for c in "xy"]
    assert stamp(signed[0]) == stamp(signed[1])
    keyed = [{"href": f"https://s.test/a.tif?v=1&key={c}"} for c in "xy"]
    assert stamp(keyed[0]) == stamp(keyed[1])
    objects = [{"href": f"https://s.test/get?key=a/{c}.tif"} for c in "xy"]
    assert stamp(objects[0]) != stamp(objects[1])


def test_a_path_template_gets_the_file_name_and_the_items_date():
    asset = only_asset(
        {"href": "https://s.test/x/a%20b.tif?v=1"}, properties={"datetime": "2019-07-21T10:00:00Z"}
    )
    assert dict(TemplateFields(asset)) == {
        "filename": "a b.tif",
        "datetime": "2019-07-21T10:00:00Z",
        "year": "2019",
        "month": "07",
        "day": "21",
    }
    fields = TemplateFields(asset)
    assert len(fields) == 5 and "year" in fields and "hour" not in fields


@pytest.mark.parametrize(
    ("properties", "fields"),
    [
        ({"datetime": None, "start_datetime": "2019-07-21T00:00:00Z"}, {"year": "2019"}),
        ({"datetime": "soon"}, {"datetime": "soon"}),
        ({"datetime": 5}, {}),
        (None, {}),
    ],
)
def test_a_path_template_gets_only_fields_that_exist(properties, fields):
    asset = only_asset({"href": "https://s.test/"}, properties=properties)
    found = TemplateFields(asset)
    assert {name: found[name] for name in found if name in fields} == fields
    assert "filename" not in found
    assert ("month" in found) == ("year" in fields)
    with pytest.raises(KeyError):
        found["hour"]


def test_an_asset_can_be_sent_to_another_process():
    asset = only_asset({"href": "https://s.test/a.tif"}, properties={"datetime": "2019-07-21T10:00:00Z"})
    assert pickle.loads(pickle.dumps(asset)) == asset


def test_assets_of_a_collection_have_no_item():
    whole = Collection(
        "c", {"id": "c", "assets": {"doc": {"href": "doc.pdf"}}}, "https://api.test/c/collection.json"
    )
    (asset,) = stac.collection_assets(whole)
    assert asset.identity == ("c", "", "doc") and asset.href == "https://api.test/c/doc.pdf"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"stac_extensions": ["label"]}, True),
        ({"stac_extensions": ["https://stac-extensions.github.io/label/v1.0.1/schema.json"]}, True),
        ({"stac_extensions": [None, "eo"], "properties": {"label:type": "raster"}}, True),
        ({"links": [link("source", "../x.json")]}, True),
        ({"stac_extensions": ["https://x.test/labelmaker/v1"], "properties": {"labels": []}}, False),
        ({"stac_extensions": "label", "properties": None, "links": None}, False),
    ],
)
def test_a_label_item_is_recognised_by_any_of_its_marks(body, expected):
    assert stac.is_label(body) is expected


def test_source_links_are_resolved_and_links_to_web_pages_left_out():
    links = [
        link("source", "http://api.test/items/a"),
        link("source", "../s/b.json", type="application/geo+json"),
        link("source", "https://x.test/paper.PDF"),
        link("source", "https://x.test/about.html#data"),
        link("source", "https://x.test/about", type="text/HTML; charset=utf-8"),
        link("source", "https://x.test/c.pdf", type="application/json"),
        link("source", "s3://bucket/d.json"),
        link("source", None),
        link("derived_from", "e.json"),
    ]
    found = stac.source_links(of(item("i", links=links), "https://api.test/l/i.json"))
    assert found == [
        "http://api.test/items/a",
        "https://api.test/s/b.json",
        "https://x.test/c.pdf",
        "s3://bucket/d.json",
    ]


def test_an_asset_with_an_unusable_href_has_a_stamp():
    assert stamp({"href": "http://[bad?x=1"}) != stamp({"href": "http://[bad?x=2"})
