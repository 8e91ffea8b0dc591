"""`StaticSource`: catalogues on the web and on disk."""

import json

import pytest

from mlhub_async.core import urls
from mlhub_async.core.errors import CatalogError, SourceError, TransferError, Transient
from mlhub_async.core.model import Asset, Collection, Flaw, Item, Page
from mlhub_async.core.options import Selection
from mlhub_async.sources.static.source import StaticSource
from support.documents import Documents, entries, item, link, listed, page, recognised

WEB = "https://cat.test/x/catalog.json"


def catalog(*links, name="root"):
    return {"type": "Catalog", "id": name, "stac_version": "1.0.0", "links": list(links)}


def collection(name, *links, **more):
    return {"type": "Collection", "id": name, "links": list(links), **more}


def tree(**more):
    """The documents of a root with two collections of two items each, and one item of its own."""
    at = "https://cat.test/x"
    return {
        WEB: catalog(
            link("child", "a/collection.json"), link("child", "b/collection.json"), link("item", "z.json")
        ),
        f"{at}/a/collection.json": collection(
            "a", link("item", "a1.json"), link("item", "./sub/a2.json"), link("root", "../catalog.json")
        ),
        f"{at}/a/a1.json": item("a1", "a"),
        f"{at}/a/sub/a2.json": item("a2", None),
        f"{at}/b/collection.json": collection(
            "b", link("item", "/x/b/b1.json"), link("parent", "../catalog.json")
        ),
        f"{at}/b/b1.json": item("b1", "b"),
        f"{at}/z.json": item("z", None),
        **more,
    }


def ids(found, kind=Item):
    return sorted(one.id for one in found if isinstance(one, kind))


def flaws(found):
    return {one.error.kind for one in found if isinstance(one, Flaw)}


async def test_all_items_of_a_static_catalogue_are_listed():
    found = await listed(WEB, Documents(tree()))
    assert ids(found) == ["a1", "a2", "b1", "z"] and ids(found, Collection) == ["a", "b"]
    assert sum(isinstance(one, Page) for one in found) == 3
    assert flaws(found) == set()


async def test_items_get_the_collection_they_are_in_if_they_name_none():
    found = await listed(WEB, Documents(tree()))
    assert {one.id: one.collection for one in found if isinstance(one, Item)} == {
        "a1": "a",
        "a2": "a",
        "b1": "b",
        "z": "_no-collection",
    }


async def test_a_collection_comes_before_its_items():
    found = await listed(WEB, Documents(tree()))
    order = [one.id for one in found if isinstance(one, Item | Collection)]
    assert order.index("a") < order.index("a1") and order.index("b") < order.index("b1")


async def test_hrefs_are_relative_to_where_a_document_was_read_whatever_its_self_link_says():
    body = {**item("a1", "a"), "links": [link("self", "https://cat.test/elsewhere/a1.json")]}
    found = await listed(WEB, Documents(tree(**{"https://cat.test/x/a/a1.json": body})))
    assert {one.href for one in found if isinstance(one, Item) and one.id == "a1"} == {
        "https://cat.test/x/a/a1.json"
    }


async def test_catalogues_that_link_in_circles_are_read_once():
    known = tree()
    known["https://cat.test/x/a/collection.json"]["links"] += [
        link("child", "../catalog.json"),
        link("child", "collection.json#x"),
    ]
    reader = Documents(known)
    assert ids(await listed(WEB, reader)) == ["a1", "a2", "b1", "z"]
    assert len(reader.asked) == len(set(reader.asked)) == 7


@pytest.mark.parametrize("query", ["X-Amz-Signature=2&X-Amz-Date=2", "key=2", "b=1"])
async def test_item_links_that_are_two_urls_are_two_items(query):
    known = {
        WEB: catalog(link("item", "i.json"), link("item", f"i.json?{query}#f"), link("item", "i.json#f")),
        "https://cat.test/x/i.json": item("one", None),
        f"https://cat.test/x/i.json?{query}": item("two", None),
    }
    reader = Documents(known)
    assert ids(await listed(WEB, reader)) == ["one", "two"] and len(reader.asked) == 3


async def test_catalogues_nested_without_end_are_read_to_a_maximum_depth():
    class Stairs(Documents):
        async def read(self, request):
            self.known[request.url] = catalog(link("child", f"{len(self.asked)}.json"))
            return await super().read(request)

    reader = Stairs()
    with pytest.raises(CatalogError, match="64 levels"):
        await listed(WEB, reader)
    assert len(reader.asked) == 65


def paged(count, **more):
    """A catalogue that names its items on so many pages, two on each."""
    at = "https://cat.test/x"
    names = [WEB, *(f"{at}/catalog.json?page={number}" for number in range(1, count))]
    known = {
        url: catalog(
            *(link("item", f"i{2 * number + one}.json") for one in (0, 1)),
            *([link("next", names[number + 1])] if number + 1 < count else []),
        )
        for number, url in enumerate(names)
    }
    return {**known, **{f"{at}/i{number}.json": item(f"i{number}") for number in range(2 * count)}, **more}


@pytest.mark.parametrize("count", [2, 70])
async def test_links_on_further_pages_of_a_catalogue_are_followed(count):
    found = await listed(WEB, Documents(paged(count)))
    assert len(ids(found)) == len(set(ids(found))) == 2 * count and flaws(found) == set()


async def test_further_pages_that_cannot_be_read_or_lead_away_are_flaws():
    absent = TransferError("404", kind="not-found", status=404)
    found = await listed(WEB, Documents(paged(4, **{f"{WEB}?page=2": absent})))
    assert ids(found) == ["i0", "i1", "i2", "i3"] and flaws(found) == {"not-found"}
    away = catalog(link("item", "i2.json"), link("next", "https://other.test/catalog.json"))
    found = await listed(WEB, Documents(paged(4, **{f"{WEB}?page=1": away})))
    assert ids(found) == ["i0", "i1", "i2"] and flaws(found) == {"cross-origin"}
    first_again = catalog(link("item", "i2.json"), link("next", WEB))
    found = await listed(WEB, Documents(paged(4, **{f"{WEB}?page=1": first_again})))
    assert ids(found) == ["i0", "i1", "i2"] and flaws(found) == set()


async def test_a_next_link_to_another_catalogue_is_neither_followed_nor_lost():
    known = tree()
    known["https://cat.test/x/a/collection.json"]["links"].append(link("next", "../b/collection.json"))
    assert ids(await listed(WEB, Documents(known))) == ["a1", "a2", "b1", "z"]
    alone = await listed("https://cat.test/x/a/collection.json", Documents(known))
    assert ids(alone) == ["a1", "a2"] and ids(alone, Collection) == ["a"]
    known[WEB]["links"].pop(1)
    known["https://cat.test/x/z.json"] = catalog(link("child", "b/collection.json"), name="deeper")
    assert ids(await listed(WEB, Documents(known))) == ["a1", "a2", "b1"]


async def test_chosen_collections_are_read_and_the_others_are_not():
    reader = Documents(tree())
    found = await listed(WEB, reader, collections=("b",))
    assert ids(found) == ["b1"] and ids(found, Collection) == ["b"]
    assert not any("/a1" in url or "/a2" in url for url in reader.asked)


async def test_a_chosen_collection_inside_another_is_found():
    known = tree()
    known["https://cat.test/x/a/collection.json"]["links"].append(link("child", "../inner.json"))
    known["https://cat.test/x/inner.json"] = collection("inner", link("item", "z.json"))
    assert ids(await listed(WEB, Documents(known), collections=("inner",))) == ["z"]


async def test_a_chosen_collection_that_does_not_exist_is_reported_with_similar_ids():
    with pytest.raises(SourceError, match=r"no collection 'A1'.*did you mean a"):
        await listed(WEB, Documents(tree()), collections=("A1",))
    found = await listed(WEB, Documents(tree()), collections=("a", "nowhere"))
    assert ids(found) == ["a1", "a2"] and flaws(found) == {"not-found"}


async def test_an_id_that_does_not_exist_is_a_flaw():
    found = await listed(WEB, Documents(tree()), ids=("a1", "nowhere"))
    assert ids(found) == ["a1"] and flaws(found) == {"not-found"}


@pytest.mark.parametrize("most", [1, 2, 3])
async def test_max_items_counts_exactly(most):
    assert len(ids(await listed(WEB, Documents(tree()), max_items=most))) == most


async def test_a_selection_applies_to_items_on_disk_and_on_the_web():
    body = item("a1", "a", properties={"datetime": "2020-01-01T00:00:00Z"})
    found = await listed(WEB, Documents(tree(**{"https://cat.test/x/a/a1.json": body})), datetime="2020")
    assert ids(found) == ["a1"]


@pytest.mark.parametrize(
    ("answer", "retryable"),
    [
        (TransferError("404", kind="not-found", status=404), False),
        (Transient("busy", status=503), True),
        ([1], False),
        ({"type": "Feature"}, False),
    ],
)
async def test_an_item_that_cannot_be_read_is_a_flaw_and_the_others_are_listed(answer, retryable):
    found = await listed(WEB, Documents(tree(**{"https://cat.test/x/a/a1.json": answer})))
    assert ids(found) == ["a2", "b1", "z"]
    (flaw,) = (one for one in found if isinstance(one, Flaw))
    assert not flaw.benign and flaw.error.retryable is retryable and "a1.json" in flaw.where


async def test_a_child_link_that_leads_to_an_item_is_an_item():
    known = {WEB: catalog(link("child", "i.json"), link("item", "sub.json"))}
    known |= {
        "https://cat.test/x/i.json": item("i"),
        "https://cat.test/x/sub.json": catalog(link("item", "j.json")),
    }
    known |= {"https://cat.test/x/j.json": item("j")}
    assert ids(await listed(WEB, Documents(known))) == ["i", "j"]


@pytest.mark.parametrize(
    "href", ["https://other.test/c.json", "//other.test/c.json", "http://cat.test:81/c.json"]
)
@pytest.mark.parametrize("rel", ["child", "item"])
async def test_links_to_another_origin_are_flaws(rel, href):
    reader = Documents({WEB: catalog(link(rel, href))})
    assert flaws(await listed(WEB, reader)) == {"cross-origin"} and reader.asked == [WEB]


async def test_links_to_an_origin_that_is_allowed_are_followed():
    reader = Documents(
        {WEB: catalog(link("item", "https://other.test/i.json")), "https://other.test/i.json": item("i")}
    )
    source = await recognised(WEB, reader, allow_origins=("https://OTHER.test:443",))
    assert ids(await entries(source)) == ["i"]


async def test_links_with_http_to_an_https_origin_are_followed_by_https():
    reader = Documents(tree(**{WEB: catalog(link("child", "http://cat.test/x/b/collection.json"))}))
    assert ids(await listed(WEB, reader)) == ["b1"]


@pytest.mark.parametrize("href", ["file:///etc/passwd", "file://cat.test/x/z.json"])
async def test_links_from_the_web_to_local_files_are_flaws(href):
    reader = Documents({WEB: catalog(link("item", href), link("child", href))})
    found = await listed(WEB, reader)
    assert ids(found) == [] and len(flaws(found)) == 1 and reader.asked == [WEB]


async def test_a_collection_of_an_api_is_listed_by_its_items_link():
    at = "https://api.test/collections/a"
    known = {
        at: collection("a", link("items", f"{at}/items")),
        f"{at}/items": page(item("a1", "a"), item("a2", None), next="?token=2", numberMatched=3),
        f"{at}/items?token=2": page(item("a3", "a")),
    }
    found = await listed(at, Documents(known))
    assert ids(found) == ["a1", "a2", "a3"]
    pages = [one for one in found if isinstance(one, Page)]
    assert pages == [Page(), Page(3, "a", 2, "a"), Page(None, "a", 1, "a", is_last=True)]


@pytest.mark.parametrize(
    ("answer", "retryable"),
    [
        (Transient("busy", status=503), True),
        (TransferError("no", status=404), False),
        ({"message": "Internal server error"}, False),
        (page(item("a1", "a"), next="?token=2"), True),
    ],
)
async def test_an_items_link_that_breaks_off_is_a_flaw_and_the_rest_is_listed(answer, retryable):
    at = "https://api.test/collections/a"
    known = {
        at: collection("a", link("items", f"{at}/items"), link("item", f"{at}/z")),
        f"{at}/items": answer,
        f"{at}/items?token=2": Transient("busy", status=503),
        f"{at}/z": item("z", "a"),
    }
    found = await listed(at, Documents(known))
    (flaw,) = (one for one in found if isinstance(one, Flaw))
    assert "z" in ids(found) and f"{at}/items" in flaw.where and flaw.error.retryable is retryable


@pytest.fixture
def folder(tmp_path):
    """The same catalogue on disk."""
    for url, body in tree(**{"https://cat.test/x/b/b1.json": item("b1", "b")}).items():
        path = tmp_path / "x" / url.removeprefix("https://cat.test/x/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(body).replace("/x/b/b1.json", "b1.json"))
    return tmp_path / "x"


async def test_a_catalogue_on_disk_is_given_by_its_folder_or_its_file(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    for where in (str(folder), f"{folder}/", "x", "x/catalog.json", urls.from_path(folder / "catalog.json")):
        assert ids(await listed(where, Documents())) == ["a1", "a2", "b1", "z"]
    assert ids(await listed("x/a", Documents())) == ["a1", "a2"]


async def test_links_to_files_outside_the_catalogues_folder_are_flaws(folder):
    (folder.parent / "secret.json").write_text(json.dumps(item("secret")))
    (folder / "inside.json").symlink_to(folder.parent / "secret.json")
    hrefs = (
        "../secret.json",
        urls.from_path(folder.parent / "secret.json"),
        "inside.json",
        "%2e%2e/secret.json",
    )
    (folder / "catalog.json").write_text(json.dumps(catalog(*(link("item", href) for href in hrefs))))
    reader = Documents()
    found = await listed(str(folder), reader)
    assert ids(found) == [] and flaws(found) == {"outside-root"}
    assert sum(isinstance(one, Flaw) for one in found) == 4 and len(reader.asked) == 1


async def test_a_file_that_is_missing_from_a_catalogue_on_disk_is_a_flaw(folder):
    (folder / "a" / "a1.json").unlink()
    found = await listed(str(folder), Documents())
    assert ids(found) == ["a2", "b1", "z"] and flaws(found) == {"not-found"}


async def test_max_items_applies_to_an_items_link_too():
    at = "https://api.test/collections/a"
    known = {
        at: collection("a", link("items", f"{at}/items")),
        f"{at}/items": page(item("a1"), item("a2"), next="?n=2"),
    }
    reader = Documents(known)
    assert ids(await listed(at, reader, max_items=2)) == ["a1", "a2"]
    assert not any("n=2" in url for url in reader.asked)


async def test_a_collection_without_an_id_is_a_flaw_and_its_items_are_listed():
    known = {
        WEB: catalog(link("child", "c.json")),
        "https://cat.test/x/c.json": {"type": "Collection", "links": [link("item", "i.json")]},
    }
    found = await listed(WEB, Documents({**known, "https://cat.test/x/i.json": item("i")}))
    assert ids(found) == ["i"] and flaws(found) == {"bad-record"}


async def test_a_link_from_the_web_to_a_file_is_a_flaw_even_if_the_file_origin_is_allowed():
    reader = Documents({WEB: catalog(link("item", "file:///etc/passwd"))})
    source = StaticSource(reader, reader.known[WEB], WEB, Selection(), frozenset({"file://"}))
    assert flaws(await entries(source)) == {"outside-root"} and reader.asked == []


async def test_a_static_source_refreshes_no_href():
    source = StaticSource(Documents(), catalog(), WEB, Selection())
    assert await source.refresh(Asset("https://cat.test/a.tif", "a", "i", "c")) is None


async def test_a_link_from_the_web_to_a_file_is_refused_without_advice_to_allow_it():
    found = await listed(WEB, Documents({WEB: catalog(link("child", "file:///etc/passwd"))}))
    (flaw,) = [one for one in found if isinstance(one, Flaw)]
    assert "leads on to a file" in flaw.error.message and "--allow-origin" not in flaw.error.message
