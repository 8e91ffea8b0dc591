"""`FollowSources`: items that label items link to as their source."""

import json

import pytest

from mlhub_async.core.errors import CatalogError, LimitReached, TransferError, Transient
from mlhub_async.core.model import Collection, Flaw, Item
from mlhub_async.sources.linked.source_links import FollowSources
from support.documents import Documents, entries, item, link, listed, page, recognised


def ids(found):
    return [one.id for one in found if isinstance(one, Item)]


def flaws(found):
    return [one for one in found if isinstance(one, Flaw)]


AT = "https://api.test/collections"


def label(name, *hrefs, **more):
    links = [link("source", href) for href in hrefs]
    return item(name, "labels", links=[link("self", f"{AT}/labels/items/{name}"), *links], **more)


def imagery(name):
    return item(name, "imagery", links=[link("collection", f"{AT}/imagery")])


def labelled(*labels, **more):
    return Documents(
        {
            f"{AT}/labels/items": page(*labels),
            f"{AT}/imagery": {"type": "Collection", "id": "imagery", "license": "other"},
            **{f"{AT}/imagery/items/{name}": imagery(name) for name in ("s1", "s2")},
            **more,
        }
    )


async def test_source_items_of_labels_are_listed_once_each_with_their_collection():
    reader = labelled(
        label("l1", f"{AT}/imagery/items/s1", f"{AT}/imagery/items/s2".replace("https", "http")),
        label("l2", "../../imagery/items/s1", f"{AT}/imagery/items/s1"),
    )
    found = await listed(f"{AT}/labels/items", reader)
    assert sorted(ids(found)) == ["l1", "l2", "s1", "s2"]
    assert [one.id for one in found if isinstance(one, Collection)] == ["imagery"]
    assert flaws(found) == [] and len(reader.asked) == len(set(reader.asked))


@pytest.mark.parametrize("name", ["session", "key", "token"])
async def test_source_links_that_differ_in_a_parameter_like_a_credential_only_are_all_followed(name):
    hrefs = [f"https://api.test/src?{name}=s{number}" for number in (1, 2)]
    found = {href: imagery(href[-2:]) for href in hrefs}
    assert sorted(ids(await listed(f"{AT}/labels/items", labelled(label("l1", *hrefs), **found)))) == [
        "l1",
        "s1",
        "s2",
    ]


async def test_source_links_are_not_followed_when_switched_off():
    reader = labelled(label("l1", f"{AT}/imagery/items/s1"))
    assert ids(await listed(f"{AT}/labels/items", reader, follow_sources=False)) == ["l1"]


async def test_conditions_on_items_do_not_apply_to_source_items():
    reader = labelled(
        label("l1", f"{AT}/imagery/items/s1", properties={"labels": ["Water"]}),
        label("l2", f"{AT}/imagery/items/s2"),
    )
    found = await listed(f"{AT}/labels/items", reader, classes=("Water",), max_items=1)
    assert sorted(ids(found)) == ["l1", "s1"]


@pytest.mark.parametrize(
    "href",
    [
        f"{AT}/imagery/items/gone",
        "https://other.test/i",
        "file:///etc/passwd",
        "http://[bad",
        "s3://b/k",
        f"{AT}/imagery",
    ],
)
async def test_a_source_link_that_leads_nowhere_is_a_benign_flaw(href):
    reader = labelled(label("l1", href, f"{AT}/imagery/items/s1"))
    found = await listed(f"{AT}/labels/items", reader)
    assert sorted(ids(found)) == ["l1", "s1"]
    (flaw,) = flaws(found)
    assert flaw.benign and flaw.error.kind == "dangling-source" and "l1" in flaw.error.message
    assert flaw.owner == ("labels", "l1") and flaw.where in flaw.error.message


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ([], "not-stac"),
        ({"id": "x"}, "not-stac"),
        ({"code": "NotFound", "description": "no such item"}, "not-stac"),
        ({"type": "Feature"}, "not-stac"),
        ({"type": "Catalog", "id": "x", "links": []}, "dangling-source"),
        ({"type": "FeatureCollection", "features": [{"type": "Feature"}]}, "dangling-source"),
        ({"type": "FeatureCollection", "features": None}, "not-stac"),
        ({"collections": [], "links": []}, "not-stac"),
    ],
)
async def test_a_source_link_to_json_that_is_no_item_is_a_flaw_and_benign_if_that_is_data_or_stac(body, kind):
    reader = labelled(label("l1", f"{AT}/x"), **{f"{AT}/x": body})
    found = await listed(f"{AT}/labels/items", reader)
    assert ids(found) == ["l1"]
    (flaw,) = flaws(found)
    assert flaw.error.kind == kind and flaw.benign is (kind == "dangling-source")
    assert flaw.owner == ("labels", "l1") and f"{AT}/x" in flaw.error.message


async def test_a_source_link_to_items_brings_them_page_by_page():
    first = page(imagery("s1"), imagery("s2"), next=f"{AT}/x?token=2")
    reader = labelled(
        label("l1", f"{AT}/x"),
        **{
            f"{AT}/x": first,
            f"{AT}/x?token=2": page(imagery("s3"), {"id": 4, "assets": {}, "properties": {}}),
        },
    )
    found = await listed(f"{AT}/labels/items", reader)
    assert sorted(ids(found)) == ["4", "l1", "s1", "s2", "s3"] and flaws(found) == []
    reader.known[f"{AT}/x?token=2"] = Transient("busy", status=503)
    (flaw,) = flaws(await listed(f"{AT}/labels/items", reader))
    assert flaw.error.retryable and not flaw.benign


async def test_every_item_that_names_a_dead_link_is_told_and_it_is_read_once():
    labels = [label(f"l{number}", f"{AT}/gone", f"{AT}/busy") for number in range(70)]
    answers = {f"{AT}/labels/items?token=2": page(*labels[30:]), f"{AT}/busy": Transient("busy", status=503)}
    reader = labelled(**answers)
    reader.known[f"{AT}/labels/items"] = page(*labels[:30], labels[0], next="?token=2")
    found = flaws(await listed(f"{AT}/labels/items", reader))
    for name, benign in (("gone", True), ("busy", False)):
        owners = [one.owner[1] for one in found if one.where == f"{AT}/{name}" and one.benign is benign]
        assert sorted(owners) == sorted(f"l{number}" for number in range(70))
        assert reader.asked.count(f"{AT}/{name}") == 1


async def test_every_item_that_names_a_dead_collection_is_told_and_it_is_read_once():
    sources = {
        f"{AT}/s{number}": item(f"s{number}", f"c{number % 3}", links=[link("collection", f"{AT}/gone")])
        for number in range(20)
    }
    reader = labelled(label("l1", *sources), **sources)
    found = flaws(await listed(f"{AT}/labels/items", reader))
    assert sorted(one.owner[1] for one in found) == sorted(f"s{number}" for number in range(20))
    assert {one.error.kind for one in found} == {"dangling-collection"} and all(one.benign for one in found)
    assert reader.asked.count(f"{AT}/gone") == 1


async def test_a_source_item_that_cannot_be_read_now_is_a_serious_flaw():
    reader = labelled(label("l1", f"{AT}/x"), **{f"{AT}/x": Transient("busy", status=503)})
    (flaw,) = flaws(await listed(f"{AT}/labels/items", reader))
    assert not flaw.benign and flaw.error.retryable
    assert (flaw.where, flaw.owner) == (f"{AT}/x", ("labels", "l1"))


async def test_a_source_item_that_needs_a_key_is_a_serious_flaw():
    reader = labelled(label("l1", f"{AT}/x"), **{f"{AT}/x": TransferError("no", status=401)})
    (flaw,) = flaws(await listed(f"{AT}/labels/items", reader))
    assert not flaw.benign and "MLHUB_API_KEY" in flaw.error.message


@pytest.mark.parametrize(
    "answer", [TransferError("no", status=404), Transient("busy"), [], {"type": "Collection"}]
)
async def test_the_collection_of_a_source_item_that_cannot_be_read_is_a_flaw_of_that_item(answer):
    reader = labelled(label("l1", f"{AT}/imagery/items/s1"), **{f"{AT}/imagery": answer})
    found = await listed(f"{AT}/labels/items", reader)
    assert sorted(ids(found)) == ["l1", "s1"]
    (flaw,) = flaws(found)
    assert flaw.error.retryable is isinstance(answer, Transient)
    assert flaw.benign is (getattr(answer, "status", None) == 404)
    assert flaw.owner == ("imagery", "s1")


async def test_links_of_a_listing_that_broke_off_are_followed():
    first = page(label("l1", f"{AT}/imagery/items/s1"), next="?token=2")
    known = {f"{AT}/labels/items": first, f"{AT}/labels/items?token=2": Transient("busy")}
    source = await recognised(f"{AT}/labels/items", labelled(**known))
    found = []

    async def emit(some):
        found.extend(some)

    with pytest.raises(CatalogError, match="page 2"):
        await source.list(emit)
    assert sorted(ids(found)) == ["l1", "s1"]


async def test_the_memory_of_followed_links_is_a_parameter():
    asked = []

    async def first_time(some):
        asked.extend(some)
        return [url for url in some if url.endswith("s2")]

    reader = labelled(label("l1", f"{AT}/imagery/items/s1", f"{AT}/imagery/items/s2"))
    source = await recognised(f"{AT}/labels/items", reader, first_time=first_time)
    assert sorted(ids(await entries(source))) == ["l1", "s2"]
    assert asked == [f"{AT}/imagery/items/s1", f"{AT}/imagery/items/s2"]


async def test_source_links_on_disk_are_followed_within_the_catalogues_folder_only(tmp_path):
    root = tmp_path / "in"
    root.mkdir()
    (root / "s1.json").write_text(json.dumps(item("s1", "imagery")))
    (tmp_path / "s2.json").write_text(json.dumps(item("s2", "imagery")))
    (root / "l.json").write_text(
        json.dumps(
            item("l", "labels", links=[link("source", f"{name}.json") for name in ("s1", "../s2", "../s3")])
        )
    )
    (root / "catalog.json").write_text(
        json.dumps({"type": "Catalog", "id": "x", "links": [link("item", "l.json")]})
    )
    found = await listed(str(root), Documents())
    assert sorted(ids(found)) == ["l", "s1"]
    assert [(one.error.kind, one.benign) for one in flaws(found)] == [
        ("source-outside-root", False),
        ("dangling-source", True),
    ]


async def test_hrefs_are_refreshed_by_the_inner_source():
    class Inner:
        name = "inner"

        async def list(self, emit, only=()):
            raise AssertionError

        async def refresh(self, asset):
            return asset

    source = FollowSources(Inner(), Documents())
    assert source.name == "inner" and await source.refresh("asset") == "asset"


async def test_a_source_item_without_a_collection_link_is_listed_without_a_collection():
    reader = labelled(label("l1", f"{AT}/x"), **{f"{AT}/x": item("x", "unlinked")})
    found = await listed(f"{AT}/labels/items", reader)
    assert sorted(ids(found)) == ["l1", "x"] and not any(isinstance(one, Collection) for one in found)


async def test_a_fatal_error_behind_a_followed_link_is_raised():
    reader = labelled(
        label("l1", f"{AT}/imagery/items/s1"), **{f"{AT}/imagery": LimitReached("--max-duration")}
    )
    with pytest.raises(LimitReached):
        await listed(f"{AT}/labels/items", reader)
