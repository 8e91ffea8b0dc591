"""The item documents of the mirror: fields that stay, links and assets that change, secrets that go."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlhub_async.core.errors import TransferError
from mlhub_async.core.model import Proof, Record
from mlhub_async.stac.write.hrefs import DocumentLocation
from mlhub_async.stac.write.item import item_json
from support.items import API, FILE, hrefs, item, record

OURS = "1220" + hashlib.sha256(b"x").hexdigest()
MD5 = "d50110" + hashlib.md5(b"x").hexdigest()
LOCATION = DocumentLocation("c/i/i.json", "c/collection.json")


def written(item, records=None, location=LOCATION):
    return json.loads(item_json(item, records or {}, location))


def test_an_item_keeps_its_fields_in_order_even_invalid_ones():
    invalid = item(
        properties={"datetime": "never", "x": None}, bbox="none", geometry=None, zz={"b": 1, "a": [None]}
    )
    body = written(invalid)
    assert list(body) == list(invalid.body)
    assert {k: v for k, v in body.items() if k not in ("links", "assets")} == {
        k: v for k, v in invalid.body.items() if k not in ("links", "assets")
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


def test_the_parent_of_an_item_without_a_collection_is_the_root():
    body = written(item(collection=None), location=DocumentLocation("_no-collection/i/i.json"))
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


def test_a_canonical_link_of_the_publisher_stays_the_only_one():
    body = written(item(links=[{"rel": "canonical", "href": "https://doi.test/i"}]))
    assert hrefs(body, "canonical") == ["https://doi.test/i"]
    assert hrefs(body, "via") == [f"{API}/collections/c/items/i"]


def test_an_item_from_a_local_disk_gets_no_link_to_its_origin():
    assert b"/home/someone" not in item_json(
        item(href="file:///home/someone/i.json"), {}, DocumentLocation("c/i/i.json")
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
def test_links_out_of_the_mirror_are_absolute_without_secrets_and_open_no_local_file(href, kept):
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


def test_missing_assets_of_a_local_source_link_only_into_that_source():
    assets = {"in": {"href": "b.tif"}, "out": {"href": "../../../etc/passwd"}, "abs": {"href": "/src2/x"}}
    local = item(href="file:///src/c/i/i.json", assets=assets)
    known = written(local, location=DocumentLocation("c/i/i.json", source_root="/src"))["assets"]
    assert known["in"]["href"] == "file:///src/c/i/b.tif"
    assert known["out"]["href"] == "unusable:../../../etc/passwd"
    assert known["abs"]["href"] == "unusable:/src2/x"
    unknown = written(local)["assets"]
    assert all(asset["href"].startswith("unusable:") for asset in unknown.values())


def test_a_dangling_link_of_a_local_source_stays_as_it_is_unless_it_leads_out_of_the_mirror():
    links = [{"rel": "source", "href": "../../s/stac.json"}, {"rel": "via", "href": "../../../s.json"}]
    body = written(item(href="file:///src/c/i/i.json", links=links))
    assert hrefs(body, "source") == ["../../s/stac.json"]
    assert hrefs(body, "via") == ["unusable:../../../s.json"]


@pytest.mark.parametrize(
    "junk", [None, 7, "x", {}, [None, "x", {}, {"rel": ["self"], "href": "x"}, {"rel": "via"}]]
)
def test_values_that_are_no_links_are_left_out(junk):
    assert {link["rel"] for link in written(item(links=junk))["links"]} == {
        "root",
        "parent",
        "collection",
        "canonical",
    }


@pytest.mark.parametrize("assets", [[], "x", {"a": None}, {"a": {}}, {"a": {"href": None}}])
def test_values_that_are_no_assets_stay_as_they_are(assets):
    assert written(item(assets=assets), {"a": record("c/i/a")} if assets == [] else {})["assets"] == assets


def test_an_asset_without_a_known_digest_keeps_the_published_one():
    one = item(assets={"a": {"href": "a", "file:checksum": MD5, "alternate": None}, "b": {"href": "b"}})
    unknown = Record("c/i/a", 1, "", 0, Proof.NONE)
    assets = written(one, {"a": unknown, "b": unknown})["assets"]
    assert assets["a"] == {"href": "./a", "file:checksum": MD5, "alternate": None, "file:size": 1}
    assert assets["b"] == {"href": "./a", "file:size": 1}


def test_an_asset_on_disk_has_its_href_size_and_digest():
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


def test_the_file_extension_is_not_declared_without_local_assets():
    assert "stac_extensions" not in written(item())
    assert "stac_extensions" not in written(item(assets={"a": None}), {"a": record("c/i/a")})


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
def test_a_published_digest_stays_only_if_the_file_was_checked_against_it(published, proof, then):
    one = item(assets={"a": {"href": "https://x.test/a", "file:checksum": published}})
    assert written(one, {"a": record("c/i/a", proof=proof)})["assets"]["a"]["file:checksum"] == then


@pytest.mark.parametrize(
    "base, href",
    [
        ("/data/mirror", "/data/mirror/c/i/a%3Ab ü.tif"),
        ("https://m.test/", "https://m.test/c/i/a%253Ab%20%C3%BC.tif"),
    ],
)
def test_asset_hrefs_are_absolute_when_that_is_asked_for(base, href):
    location = DocumentLocation("c/i/i.json", "c/collection.json", base=base)
    body = written(item(), {"B01": record("c/i/a%3Ab ü.tif")}, location)
    assert body["assets"]["B01"]["href"] == href
    assert hrefs(body, "root") == ["../../catalog.json"]


@given(st.text(max_size=8), st.text(max_size=8))
def test_every_item_that_json_can_hold_is_written(key, text):
    one = item(
        text, assets={key: {"href": text}}, links=[{"rel": "via", "href": text}], x={text: text + "\ud800"}
    )
    assert written(one)["x"] == {text: text + "\ud800"}


def test_numbers_beyond_64_bits_and_deep_nesting_are_written_too():
    deep = []
    for _ in range(300):
        deep = [deep]
    assert written(item(n=1 << 70, deep=deep))["n"] == 1 << 70


def test_an_item_that_json_cannot_hold_is_an_error_with_its_id():
    with pytest.raises(TransferError, match="the document 'i' cannot be written"):
        item_json(item(x=object()), {}, DocumentLocation("c/i/i.json"))
