"""`ApiSource`: the requests that it sends, and the entries that it emits."""

import pytest

from mlhub_async.core.errors import CatalogError, SourceError, TransferError, Transient, UsageError
from mlhub_async.core.model import Item, Page
from support.documents import (
    API,
    CONFORMS,
    Documents,
    api,
    collection,
    entries,
    item,
    landing,
    link,
    listed,
    page,
    posted,
    recognised,
    summary,
)


async def test_one_collection_is_read_from_its_items_endpoint():
    found = await listed(API, api("GET", "POST"), collections=("a",))
    assert summary(found) == ["[a]", "-", "a1", "a2"]
    assert found[2] == Page(2, "a", 2, "a", repeatable=True, is_last=True)


async def test_a_collection_is_searched_for_if_it_has_no_items_endpoint():
    searched = posted(f"{API}/search", {"collections": ["a"], "limit": 100})
    known = {f"{API}/collections/a/items?limit=100": TransferError("no", status=404)}
    found = await listed(
        API, api("POST", known={**known, searched: page(item("a9", "a"))}), collections=("a",)
    )
    assert summary(found) == ["[a]", "-", "a9"]
    with pytest.raises(SourceError, match=r"items.* does not exist"):
        await listed(API, api(known=known), collections=("a",))


async def test_without_an_items_endpoint_items_are_found_by_the_links_on_all_pages_of_a_collection():
    at = f"{API}/collections/a"
    first = collection("a", links=[link("item", f"{at}/a1.json"), link("next", f"{at}?page=2")])
    second = collection("a", links=[link("item", f"{at}/a2.json")])
    known = {f"{at}/items?limit=100": TransferError("no", status=404), at: first, f"{at}?page=2": second}
    known |= {f"{at}/{name}.json": item(name, "a") for name in ("a1", "a2")}
    found = await listed(API, api(known=known), collections=("a",))
    assert sorted(one.id for one in found if isinstance(one, Item)) == ["a1", "a2"]


async def test_several_collections_come_one_after_another_each_before_its_items():
    found = await listed(API, api(), collections=("b", "a", "b"))
    assert summary(found) == ["[b]", "-", "b1", "b2", "[a]", "-", "a1", "a2"]


async def test_without_a_search_the_whole_api_is_read_collection_by_collection():
    more = {"collections": [collection("c")], "links": []}
    known = {
        f"{API}/collections": {"collections": [collection("a"), "odd"], "links": [link("next", "?offset=2")]},
        f"{API}/collections?offset=2": more,
        f"{API}/collections/c/items?limit=100": page(item("c1", "c")),
    }
    assert summary(await listed(API, api(known=known))) == [
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
    assert summary(await listed(API, reader)) == ["[b]", "[a]", "-", "b1", "a1"]


async def test_a_collection_that_the_api_does_not_describe_is_a_benign_flaw():
    reader = api("POST", known={posted(f"{API}/search", {"limit": 100}): page(item("z1", "z"))})
    found = await listed(API, reader)
    assert summary(found) == ["!not-found", "-", "z1"] and found[0].benign


SEARCH = {
    "bbox": (1.0, 2.0, 3.0, 4.0),
    "datetime": "2020-01-01",
    "ids": ("a1",),
    "collections": ("a",),
    "query": {"gsd": {"lt": 20}},
}
HIT = item("a1", "a", bbox=[1, 2, 3, 4], properties={"datetime": "2020-01-01T10:00:00Z", "gsd": 10})


async def test_conditions_that_the_server_supports_are_sent_by_post():
    asked = {
        "limit": 100,
        "collections": ["a"],
        "ids": ["a1"],
        "bbox": [1.0, 2.0, 3.0, 4.0],
        "datetime": "2020-01-01T00:00:00Z/2020-01-02T00:00:00Z",
        "query": {"gsd": {"lt": 20}},
    }
    reader = api("GET", "POST", known={posted(f"{API}/search", asked): page(HIT)})
    assert summary(await listed(API, reader, **SEARCH)) == ["[a]", "-", "a1"]


@pytest.mark.parametrize(("methods", "chosen"), [(["GET"], None), (["GET", "POST"], "GET"), ([None], None)])
async def test_conditions_that_the_server_supports_are_sent_by_get(methods, chosen):
    url = (
        f"{API}/search?limit=100&collections=a&ids=a1&bbox=1.0%2C2.0%2C3.0%2C4.0"
        "&datetime=2020-01-01T00%3A00%3A00Z%2F2020-01-02T00%3A00%3A00Z&query=%7B%22gsd%22%3A%7B%22lt%22%3A20%7D%7D"
    )
    reader = api(*methods, known={url: page(HIT)})
    assert summary(await listed(API, reader, **SEARCH, method=chosen)) == ["[a]", "-", "a1"]


async def test_conditions_that_the_server_does_not_support_are_applied_here():
    known = {posted(f"{API}/search", {"limit": 100}): page(HIT, item("a2", "a"), item("b1", "b"))}
    reader = api("POST", known=known, conformsTo=[])
    assert summary(await listed(API, reader, query={"gsd": {"lt": 20}})) == ["[a]", "-", "a1"]


async def test_items_beyond_the_selection_are_dropped_though_the_server_sent_them():
    outside = item("a3", "a", bbox=[50, 50, 51, 51])
    url = f"{API}/search?limit=100&collections=a&bbox=1.0%2C2.0%2C3.0%2C4.0"
    second = page(outside, item("b9", "b", bbox=[1, 2, 3, 4]), HIT)
    reader = api("GET", known={url: page(HIT, next="?token=2"), f"{API}/search?token=2": second})
    found = await listed(API, reader, collections=("a",), bbox=(1.0, 2.0, 3.0, 4.0))
    assert summary(found) == ["[a]", "-", "a1", "-", "a1"]


async def test_without_a_search_box_and_time_are_sent_to_the_items_endpoint():
    url = f"{API}/collections/a/items?limit=100&bbox=1.0%2C2.0%2C3.0%2C4.0"
    reader = api(known={url: page(HIT, item("a2", "a"))})
    assert summary(await listed(API, reader, collections=("a",), bbox=(1.0, 2.0, 3.0, 4.0))) == [
        "[a]",
        "-",
        "a1",
    ]


async def test_without_a_search_items_are_read_by_their_ids():
    known = {
        f"{API}/collections/a/items/a%2F1": item("a/1", "a"),
        f"{API}/collections/b/items/b1": item("b1", "b"),
    }
    found = await listed(API, api(known=known), collections=("a", "b"), ids=("a/1", "b1", "gone"))
    assert summary(found)[:3] == ["-", "[a]", "[b]"]
    assert sorted(summary(found)[3:]) == ["!not-found", "a/1", "b1"]
    assert "no item gone" in found[-1].error.message


async def test_ids_that_a_search_did_not_find_are_flaws_unless_there_were_conditions():
    asked = {"limit": 100, "ids": ["a1", "zz"]}
    reader = api("POST", known={posted(f"{API}/search", asked): page(HIT)})
    assert summary(await listed(API, reader, ids=("a1", "zz"))) == ["[a]", "-", "a1", "!not-found"]
    boxed = {**asked, "bbox": [1.0, 2.0, 3.0, 4.0]}
    reader = api("POST", known={posted(f"{API}/search", boxed): page(HIT)})
    assert summary(await listed(API, reader, ids=("a1", "zz"), bbox=(1.0, 2.0, 3.0, 4.0))) == [
        "[a]",
        "-",
        "a1",
    ]


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
async def test_max_items_counts_exactly_over_all_collections(most, expected):
    limit = min(100, max(10, most))
    known = {
        f"{API}/collections/{n}/items?limit={limit}": page(item(f"{n}1", n), item(f"{n}2", n)) for n in "ab"
    }
    found = await listed(API, api(known=known), collections=("a", "b"), max_items=most)
    assert sum(isinstance(one, Item) for one in found) == expected


async def test_a_listing_stops_asking_when_max_items_is_reached():
    known = {f"{API}/collections/a/items?limit=10": page(item("a1", "a"), item("a2", "a"), next="?token=2")}
    reader = api(known=known)
    assert summary(await listed(API, reader, collections=("a", "b"), max_items=2)) == ["[a]", "-", "a1", "a2"]
    assert not any("token" in url or "/b/items" in url for url in reader.asked)


async def test_a_page_size_is_what_was_asked_for():
    reader = api(known={f"{API}/collections/a/items?limit=7": page(item("a1", "a"))})
    assert summary(await listed(API, reader, collections=("a",), limit=7)) == ["[a]", "-", "a1"]


async def test_a_misspelt_collection_is_reported_with_similar_ids_before_anything_is_listed():
    reader = api(names=["ref_landcovernet_v1_labels", "ref_landcovernet_v1_source", "nasa"])
    with pytest.raises(
        SourceError, match=r"no collection 'Ref_Landcovernet_labels'.*mean ref_landcovernet_v1_labels"
    ) as failure:
        await listed(API, reader, collections=("nasa", "Ref_Landcovernet_labels"))
    assert failure.value.kind == "not-found"
    assert not any("/items" in url for url in reader.asked)


async def test_an_unknown_collection_without_similar_ids_is_reported_with_the_command_that_lists_all():
    with pytest.raises(SourceError, match="the nearest are aaa; mlhub-async ls"):
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
    assert summary(found) == ["[a]", "-", "a1", "a2", "[b]", "!forbidden"]
    found = await listed(API, reader, collections=("b", "a"))
    assert summary(found) == ["[b]", "[a]", "-", "a1", "a2", "!forbidden"]
    with pytest.raises(SourceError, match="refuses access"):
        await listed(API, reader, collections=("b",))


async def test_records_that_are_no_items_are_flaws_of_their_page():
    known = {f"{API}/collections/a/items?limit=100": page(None, item("a1", "a"), {"type": "Feature"})}
    assert summary(await listed(API, api(known=known), collections=("a",))) == [
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
    source = await recognised(API, Documents(known), collections=("a",), allow_origins=("https://b.test/",))
    assert summary(await entries(source)) == ["[a]", "-", "a1"]


FILTERING = [
    *CONFORMS,
    "https://api.stacspec.org/v1.0.0/item-search#filter",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
]
EXPRESSION = {"op": "<", "args": [{"property": "gsd"}, 20]}


async def test_a_filter_in_json_goes_by_post_and_as_text_by_get():
    asked = {"limit": 100, "filter": EXPRESSION, "filter-lang": "cql2-json"}
    text = f"{API}/search?limit=100&filter=gsd+%3C+20&filter-lang=cql2-text"
    known = {posted(f"{API}/search", asked): page(HIT), text: page(HIT)}
    reader = api("GET", "POST", known=known, conformsTo=FILTERING)
    assert summary(await listed(API, reader, filter=EXPRESSION)) == ["[a]", "-", "a1"]
    assert summary(await listed(API, reader, filter="gsd < 20")) == ["[a]", "-", "a1"]


async def test_a_filter_that_neither_server_nor_client_can_evaluate_is_refused_before_any_listing():
    reader = api("GET", "POST")
    with pytest.raises(UsageError, match=r"--filter: nosuch\(\)"):
        await listed(API, reader, filter="nosuch(gsd) < 20")
    assert reader.asked == [API]


async def test_a_feature_given_as_geometry_is_sent_as_its_geometry():
    point = {"type": "Point", "coordinates": [2, 3]}
    hit = {**HIT, "geometry": point}
    reader = api("POST", known={posted(f"{API}/search", {"limit": 100, "intersects": point}): page(hit)})
    found = await listed(API, reader, intersects={"type": "Feature", "geometry": point})
    assert summary(found) == ["[a]", "-", "a1"]


@pytest.mark.parametrize("body", [[], {"type": "Collection"}, "x"])
async def test_a_document_in_the_place_of_a_collection_is_refused(body):
    with pytest.raises(SourceError, match="no STAC collection"):
        await listed(API, api(known={f"{API}/collections/a": body}), collections=("a",))


async def test_a_misspelt_collection_is_reported_even_if_collections_cannot_be_listed():
    with pytest.raises(SourceError, match=r"no collection 'x' \(.*404\)"):
        await listed(API, api(known={f"{API}/collections": Transient("busy")}), collections=("x",))


async def test_an_item_by_id_that_cannot_be_read_is_a_flaw():
    answers = {
        "r": TransferError("no", kind="forbidden", status=403),
        "t": Transient("busy"),
        "o": {"type": "Feature"},
    }
    known = {f"{API}/collections/a/items/{name}": body for name, body in answers.items()}
    found = await listed(API, api(known=known), collections=("a",), ids=tuple(answers))
    assert set(summary(found)) == {"[a]", "-", "!bad-record", "!forbidden", "!transient", "!not-found"}
