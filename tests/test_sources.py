"""STAC APIs and MLHub: what is asked of them, and what comes out."""

import asyncio

import pytest
from documents import Documents, entries, item, link, listed, page, posted

from mlhub_async import stac
from mlhub_async.errors import CatalogError, SourceError, TransferError, Transient, UsageError
from mlhub_async.model import Collection, Flaw, Item, Page, Selection
from mlhub_async.sources import FollowSources, recognise

API = "https://api.test/stac"
CONFORMS = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search#query"]


def landing(*methods, **more):
    links = [link("search", f"{API}/search", method=method) for method in methods]
    return {
        "type": "Catalog",
        "id": "x",
        "links": [link("data", f"{API}/collections"), *links],
        "conformsTo": CONFORMS,
        **more,
    }


def collection(name, **more):
    return {"type": "Collection", "id": name, "links": [], **more}


def api(*methods, names="ab", known=None, **more):
    """An API of collections a, b …, two items each."""
    documents = {
        API: landing(*methods, **more),
        f"{API}/collections": {"collections": [*map(collection, names)]},
    }
    for name in names:
        documents[f"{API}/collections/{name}"] = collection(name)
        documents[f"{API}/collections/{name}/items?limit=100"] = page(
            item(f"{name}1", name), item(f"{name}2", name), numberMatched=2
        )
    return Documents({**documents, **(known or {})})


def told(found):
    """Items by id, the rest by kind and id, in order."""
    return [
        one.id
        if isinstance(one, Item)
        else f"[{one.id}]"
        if isinstance(one, Collection)
        else f"!{one.error.kind}"
        if isinstance(one, Flaw)
        else "-"
        for one in found
    ]


async def test_one_collection_is_read_from_its_items_endpoint():
    found = await listed(API, api("GET", "POST"), collections=("a",))
    assert told(found) == ["[a]", "-", "a1", "a2"]
    assert found[1] == Page(2, "a", 2)


async def test_several_collections_come_one_after_another_each_before_its_items():
    found = await listed(API, api(), collections=("b", "a", "b"))
    assert told(found) == ["[b]", "-", "b1", "b2", "[a]", "-", "a1", "a2"]


async def test_without_a_search_the_whole_api_is_read_collection_by_collection():
    more = {"collections": [collection("c")], "links": []}
    known = {
        f"{API}/collections": {"collections": [collection("a"), "odd"], "links": [link("next", "?offset=2")]},
        f"{API}/collections?offset=2": more,
        f"{API}/collections/c/items?limit=100": page(item("c1", "c")),
    }
    assert told(await listed(API, api(known=known))) == [
        "[a]",
        "-",
        "a1",
        "a2",
        "!bad-record",
        "[c]",
        "-",
        "c1",
    ]


async def test_with_a_search_the_whole_api_is_one_search():
    reader = api(
        "GET", "POST", known={posted(f"{API}/search", {"limit": 100}): page(item("b1", "b"), item("a1", "a"))}
    )
    assert told(await listed(API, reader)) == ["[b]", "[a]", "-", "b1", "a1"]


async def test_a_collection_that_the_api_does_not_describe_is_a_benign_flaw():
    reader = api("POST", known={posted(f"{API}/search", {"limit": 100}): page(item("z1", "z"))})
    found = await listed(API, reader)
    assert told(found) == ["!not-found", "-", "z1"] and found[0].benign


SEARCH = {
    "bbox": (1.0, 2.0, 3.0, 4.0),
    "datetime": "2020-01-01",
    "ids": ("a1",),
    "collections": ("a",),
    "query": {"gsd": {"lt": 20}},
}
HIT = item("a1", "a", bbox=[1, 2, 3, 4], properties={"datetime": "2020-01-01T10:00:00Z", "gsd": 10})


async def test_what_a_server_can_select_it_is_asked_to_by_post():
    asked = {
        "limit": 100,
        "collections": ["a"],
        "ids": ["a1"],
        "bbox": [1.0, 2.0, 3.0, 4.0],
        "datetime": "2020-01-01T00:00:00Z/2020-01-01T23:59:59Z",
        "query": {"gsd": {"lt": 20}},
    }
    reader = api("GET", "POST", known={posted(f"{API}/search", asked): page(HIT)})
    assert told(await listed(API, reader, **SEARCH)) == ["[a]", "-", "a1"]


@pytest.mark.parametrize(("methods", "chosen"), [(["GET"], None), (["GET", "POST"], "GET"), ([None], None)])
async def test_what_a_server_can_select_it_is_asked_to_by_get(methods, chosen):
    url = (
        f"{API}/search?limit=100&collections=a&ids=a1&bbox=1.0%2C2.0%2C3.0%2C4.0"
        "&datetime=2020-01-01T00%3A00%3A00Z%2F2020-01-01T23%3A59%3A59Z&query=%7B%22gsd%22%3A%7B%22lt%22%3A20%7D%7D"
    )
    reader = api(*methods, known={url: page(HIT)})
    assert told(await listed(API, reader, **SEARCH, method=chosen)) == ["[a]", "-", "a1"]


async def test_what_a_server_does_not_promise_to_select_is_selected_here():
    known = {posted(f"{API}/search", {"limit": 100}): page(HIT, item("a2", "a"), item("b1", "b"))}
    reader = api("POST", known=known, conformsTo=[])
    assert told(await listed(API, reader, query={"gsd": {"lt": 20}})) == ["[a]", "-", "a1"]


async def test_items_beyond_the_selection_are_dropped_though_the_server_sent_them():
    outside = item("a3", "a", bbox=[50, 50, 51, 51])
    url = f"{API}/search?limit=100&collections=a&bbox=1.0%2C2.0%2C3.0%2C4.0"
    second = page(outside, item("b9", "b", bbox=[1, 2, 3, 4]), HIT)
    reader = api("GET", known={url: page(HIT, next="?token=2"), f"{API}/search?token=2": second})
    found = await listed(API, reader, collections=("a",), bbox=(1.0, 2.0, 3.0, 4.0))
    assert told(found) == ["[a]", "-", "a1", "-", "a1"]


async def test_an_api_without_search_is_asked_for_box_and_time_at_its_items():
    url = f"{API}/collections/a/items?limit=100&bbox=1.0%2C2.0%2C3.0%2C4.0"
    reader = api(known={url: page(HIT, item("a2", "a"))})
    assert told(await listed(API, reader, collections=("a",), bbox=(1.0, 2.0, 3.0, 4.0))) == [
        "[a]",
        "-",
        "a1",
    ]


async def test_an_api_without_search_gives_items_by_their_ids():
    known = {
        f"{API}/collections/a/items/a%2F1": item("a/1", "a"),
        f"{API}/collections/b/items/b1": item("b1", "b"),
    }
    found = await listed(API, api(known=known), collections=("a", "b"), ids=("a/1", "b1", "gone"))
    assert told(found)[:3] == ["-", "[a]", "[b]"]
    assert sorted(told(found)[3:]) == ["!not-found", "a/1", "b1"]
    assert "no item gone" in found[-1].error.message


async def test_ids_that_a_search_did_not_find_are_flaws_unless_there_were_conditions():
    asked = {"limit": 100, "ids": ["a1", "zz"]}
    reader = api("POST", known={posted(f"{API}/search", asked): page(HIT)})
    assert told(await listed(API, reader, ids=("a1", "zz"))) == ["[a]", "-", "a1", "!not-found"]
    boxed = {**asked, "bbox": [1.0, 2.0, 3.0, 4.0]}
    reader = api("POST", known={posted(f"{API}/search", boxed): page(HIT)})
    assert told(await listed(API, reader, ids=("a1", "zz"), bbox=(1.0, 2.0, 3.0, 4.0))) == ["[a]", "-", "a1"]


async def test_many_ids_are_several_searches():
    names = tuple(f"i{n}" for n in range(60))
    known = {
        f"{API}/search?limit=100&ids={'%2C'.join(names[at : at + 50])}": page(*map(item, names[at : at + 50]))
        for at in (0, 50)
    }
    found = await listed(API, api("GET", names="c", known=known), ids=names)
    assert sum(isinstance(one, Item) for one in found) == 60
    assert len({one.listing for one in found if isinstance(one, Page)}) == 2


@pytest.mark.parametrize(("most", "expected"), [(1, 1), (2, 2), (3, 3), (4, 4), (9, 4)])
async def test_max_items_is_kept_to_exactly_over_all_collections(most, expected):
    limit = min(100, max(10, most))
    known = {
        f"{API}/collections/{n}/items?limit={limit}": page(item(f"{n}1", n), item(f"{n}2", n)) for n in "ab"
    }
    found = await listed(API, api(known=known), collections=("a", "b"), max_items=most)
    assert sum(isinstance(one, Item) for one in found) == expected


async def test_a_listing_stops_asking_when_max_items_is_reached():
    known = {f"{API}/collections/a/items?limit=10": page(item("a1", "a"), item("a2", "a"), next="?token=2")}
    reader = api(known=known)
    assert told(await listed(API, reader, collections=("a", "b"), max_items=2)) == ["[a]", "-", "a1", "a2"]
    assert not any("token" in url or "/b/items" in url for url in reader.asked)


async def test_a_page_size_is_what_was_asked_for():
    reader = api(known={f"{API}/collections/a/items?limit=7": page(item("a1", "a"))})
    assert told(await listed(API, reader, collections=("a",), limit=7)) == ["[a]", "-", "a1"]


async def test_a_misspelt_collection_is_told_before_anything_is_listed_with_the_nearest_names():
    reader = api(names=["ref_landcovernet_v1_labels", "ref_landcovernet_v1_source", "nasa"])
    with pytest.raises(
        SourceError, match=r"no collection 'Ref_Landcovernet_labels'.*mean ref_landcovernet_v1_labels"
    ) as failure:
        await listed(API, reader, collections=("nasa", "Ref_Landcovernet_labels"))
    assert failure.value.kind == "not-found"
    assert not any("/items" in url for url in reader.asked)


async def test_a_collection_that_resembles_none_says_where_to_look():
    with pytest.raises(SourceError, match="mlhub-async ls"):
        await listed(API, api(names=["aaa"]), collections=("xyz",))


@pytest.mark.parametrize(
    ("error", "expected"),
    [(TransferError("no", status=401), SourceError), (Transient("busy", status=503), CatalogError)],
)
async def test_a_collection_that_cannot_be_read_is_not_called_unknown(error, expected):
    with pytest.raises(expected) as failure:
        await listed(API, api(known={f"{API}/collections/a": error}), collections=("a",))
    assert "has no collection" not in str(failure.value)


async def test_a_collection_that_is_refused_while_others_are_not_is_a_flaw():
    reader = api(known={f"{API}/collections/b/items?limit=100": TransferError("no", status=403)})
    found = await listed(API, reader, collections=("a", "b"))
    assert told(found) == ["[a]", "-", "a1", "a2", "[b]", "!forbidden"]
    with pytest.raises(SourceError):
        await listed(API, reader, collections=("b", "a"))


async def test_records_that_are_no_items_are_flaws_of_their_page():
    known = {f"{API}/collections/a/items?limit=100": page(None, item("a1", "a"), {"type": "Feature"})}
    assert told(await listed(API, api(known=known), collections=("a",))) == [
        "[a]",
        "-",
        "!bad-record",
        "a1",
        "!bad-record",
    ]


async def test_items_of_a_collections_endpoint_are_of_that_collection():
    known = {f"{API}/collections/a/items?limit=100": page(item("a1", None))}
    found = await listed(API, api(known=known), collections=("a",))
    assert [one.collection for one in found if isinstance(one, Item)] == ["a"]


async def test_a_landing_page_that_points_elsewhere_is_refused_unless_that_is_allowed():
    away = landing(links=[link("data", "https://b.test/collections"), link("search", f"{API}/search")])
    known = {
        API: away,
        "https://b.test/collections/a": collection("a"),
        "https://b.test/collections/a/items?limit=100": page(HIT),
    }
    with pytest.raises(SourceError, match=r"--allow-origin https://b\.test"):
        await listed(API, Documents(known), collections=("a",))
    source = await recognise(
        API,
        Documents(known),
        Selection(collections=("a",)),
        mlhub_root="",
        allow_origins=("https://b.test/",),
    )
    assert told(await entries(source)) == ["[a]", "-", "a1"]


TOKEN = f"{API}/download/gAAAAAB"


def minting(known=None):
    """An API that gives a new href with every reading of item a1."""

    class Minting(Documents):
        async def read(self, request):
            await asyncio.sleep(0)
            self.known[f"{API}/collections/a/items/a1"] = item(
                "a1", "a", assets={key: {"href": f"{TOKEN}{len(self.asked):04}{key}"} for key in ("x", "y")}
            )
            return await super().read(request)

    return Minting({**api("GET").known, **(known or {})})


async def a_source_and_an_asset(reader):
    source = await recognise(API, reader, Selection(follow_sources=False), mlhub_root="")
    stale = stac.item_of(item("a1", "a", assets={"x": {"href": "old-x"}, "y": {"href": "old-y"}}), API)
    return source, stac.assets_of(stale)


async def test_an_expired_href_is_renewed_by_reading_its_item_once_for_all_its_assets():
    reader = minting()
    source, (x, y) = await a_source_and_an_asset(reader)
    before = len(reader.asked)
    fresh = await asyncio.gather(*(source.refresh(asset) for asset in (x, y, x, y)))
    assert [one.key for one in fresh] == ["x", "y", "x", "y"]
    assert all(one.href.startswith(TOKEN) for one in fresh)
    assert len(reader.asked) == before + 1


async def test_an_href_that_expired_again_is_read_again():
    reader = minting()
    source, (x, _) = await a_source_and_an_asset(reader)
    first = await source.refresh(x)
    second = await source.refresh(first)
    assert len({x.href, first.href, second.href}) == 3


async def test_an_item_that_is_gone_or_has_no_other_href_renews_nothing():
    source, (x, _) = await a_source_and_an_asset(api("GET"))
    assert await source.refresh(x) is None
    same = api(
        "GET", known={f"{API}/collections/a/items/a1": item("a1", "a", assets={"x": {"href": x.href}})}
    )
    source, _ = await a_source_and_an_asset(same)
    assert await source.refresh(x) is None


async def test_a_collections_own_asset_is_renewed_from_its_collection():
    whole = collection("a", assets={"doc": {"href": "https://api.test/new.pdf"}})
    source, _ = await a_source_and_an_asset(api("GET", known={f"{API}/collections/a": whole}))
    old = {**whole, "assets": {"doc": {"href": "https://api.test/old.pdf"}}}
    (asset,) = stac.collection_assets(Collection("a", old, API))
    assert (await source.refresh(asset)).href == "https://api.test/new.pdf"


async def test_renewal_passes_on_that_the_item_cannot_be_read_just_now():
    reader = api("GET", known={f"{API}/collections/a/items/a1": Transient("busy")})
    source, (x, _) = await a_source_and_an_asset(reader)
    with pytest.raises(Transient):
        await source.refresh(x)


async def test_renewal_remembers_a_bounded_number_of_items():
    known = {
        f"{API}/collections/a/items/i{n}": item(
            f"i{n}", "a", assets={"x": {"href": f"https://api.test/new{n}"}}
        )
        for n in range(100)
    }
    reader = api("GET", known=known)
    source, _ = await a_source_and_an_asset(reader)
    for n in range(100):
        stale = stac.item_of(item(f"i{n}", "a", assets={"x": {"href": "old"}}), API)
        assert await source.refresh(stac.assets_of(stale)[0])
    assert len(source._renewal._known) == 64


HUB = "https://hub.test/v1"


def hub(known=None):
    return Documents(
        {
            f"{HUB}/collections/a": collection("a"),
            f"{HUB}/collections/b": collection("b"),
            f"{HUB}/collections/a/items?limit=100": page(
                item("a1", "a"), next="http://hub.test/v1/collections/a/items?key=K&token=next:a1&key=K"
            ),
            f"{HUB}/collections/a/items?token=next:a1": page(item("a2", "a")),
            f"{HUB}/collections/b/items?limit=100": page(),
            f"{HUB}/datasets": [{"id": "ref_african_crops_kenya_02"}, {"id": "nasa"}],
            f"{HUB}/datasets/d": {
                "id": "d",
                "collections": [{"id": "a"}, {"id": "b"}, {"id": "a"}, None, {}],
            },
            f"{HUB}/datasets/doi/10.1/x.v2": {"id": "d", "collections": [{"id": "b"}]},
            f"{HUB}/datasets/empty": {"id": "empty", "collections": []},
            **(known or {}),
        }
    )


async def test_mlhub_is_paged_with_its_scheme_repaired_and_its_key_dropped():
    found = await listed("mlhub", hub(), collections=("a",))
    assert told(found) == ["[a]", "-", "a1", "-", "a2"]


async def test_a_dataset_stands_for_its_collections_once_each():
    assert told(await listed("mlhub", hub(), dataset="d")) == ["[a]", "-", "a1", "-", "a2", "[b]", "-"]


async def test_a_dataset_may_be_named_by_its_doi():
    assert told(await listed("mlhub", hub(), dataset="10.1/x.v2")) == ["[b]", "-"]


async def test_a_dataset_and_a_collection_mean_that_collection_of_the_dataset():
    assert told(await listed("mlhub", hub(), dataset="d", collections=("b",))) == ["[b]", "-"]
    with pytest.raises(SourceError, match="dataset d has no collection 'c'"):
        await listed("mlhub", hub(), dataset="d", collections=("c",))


async def test_an_unknown_dataset_is_told_with_the_nearest_names():
    with pytest.raises(SourceError, match="did you mean ref_african_crops_kenya_02"):
        await listed("mlhub", hub(), dataset="ref_african_crops_kenya")


async def test_a_dataset_without_collections_is_told():
    with pytest.raises(SourceError, match="empty has no collections"):
        await listed("mlhub", hub(), dataset="empty")


@pytest.mark.parametrize(
    ("error", "expected"),
    [(TransferError("no", status=403), SourceError), (Transient("busy", status=503), CatalogError)],
)
async def test_a_dataset_that_cannot_be_read_is_not_called_unknown(error, expected):
    with pytest.raises(expected) as failure:
        await listed("mlhub", hub({f"{HUB}/datasets/d": error}), dataset="d")
    assert "has no dataset" not in str(failure.value)


async def test_mlhub_wants_a_collection_or_a_dataset():
    with pytest.raises(UsageError, match="-c or --dataset"):
        await listed("mlhub", hub())


async def test_an_mlhub_href_is_renewed_through_its_item():
    fresh = item("a1", "a", assets={"x": {"href": f"{HUB}/download/new"}})
    source = await recognise(
        "mlhub", hub({f"{HUB}/collections/a/items/a1": fresh}), Selection(collections=("a",)), mlhub_root=HUB
    )
    assert isinstance(source, FollowSources)
    (stale,) = stac.assets_of(
        stac.item_of(item("a1", "a", assets={"x": {"href": f"{HUB}/download/old"}}), HUB)
    )
    assert (await source.refresh(stale)).href == f"{HUB}/download/new"
