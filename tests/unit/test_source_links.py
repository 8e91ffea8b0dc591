"""`FollowSources`: items that label items link to as their source."""

import json

import pytest

from mlhub_async.core.errors import CatalogError, LimitReached, TransferError, Transient
from mlhub_async.core.model import Collection, Flaw, Item
from mlhub_async.sources.source_links import FollowSources
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
            f"{AT}/imagery": {"type": "Collection", "id": "imagery"},
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
    "body", [[], {"id": "x"}, {"type": "Feature"}, {"type": "Catalog", "id": "x", "links": []}]
)
async def test_a_source_link_to_a_document_that_is_no_item_is_a_benign_flaw(body):
    reader = labelled(label("l1", f"{AT}/x"), **{f"{AT}/x": body})
    found = await listed(f"{AT}/labels/items", reader)
    assert ids(found) == ["l1"] and [one.error.kind for one in flaws(found)] == ["dangling-source"]


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
async def test_the_collection_of_a_source_item_may_be_unreadable(answer):
    reader = labelled(label("l1", f"{AT}/imagery/items/s1"), **{f"{AT}/imagery": answer})
    found = await listed(f"{AT}/labels/items", reader)
    assert sorted(ids(found)) == ["l1", "s1"] and flaws(found) == []


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
    (root / "s1.json").write_text(json.dumps(imagery("s1")))
    (tmp_path / "s2.json").write_text(json.dumps(imagery("s2")))
    (root / "l.json").write_text(
        json.dumps(item("l", "labels", links=[link("source", "s1.json"), link("source", "../s2.json")]))
    )
    (root / "catalog.json").write_text(
        json.dumps({"type": "Catalog", "id": "x", "links": [link("item", "l.json")]})
    )
    found = await listed(str(root), Documents())
    assert sorted(ids(found)) == ["l", "s1"]
    assert [(one.error.kind, one.benign) for one in flaws(found)] == [("dangling-source", True)]


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
