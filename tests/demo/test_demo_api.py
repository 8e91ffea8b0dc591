"""The embedded sample catalogue as an API: paging, search, keys and errors as MLHub had them."""

import asyncio
import gzip
import json
from typing import Any

import aiohttp
import pystac_client
import pytest

from mlhub_async.demo import DemoConfig, Site, serve
from support.demo_client import CHIP, LABELS, SOURCE, connected

NO_KEY = b'{"detail": "Must provide API key or Bearer token to access this route."}'

# chip 29NMG_12 is about -9.627..-9.604 east, 6.310..6.333 north
AROUND = [[-10, 6], [-9, 6], [-9, 7], [-10, 7], [-10, 6]]
HOLE = [[-9.65, 6.29], [-9.58, 6.29], [-9.58, 6.35], [-9.65, 6.35], [-9.65, 6.29]]
TRIANGLE = {"type": "Polygon", "coordinates": [[[-9.63, 6.3], [-9.61, 6.31], [-9.61, 6.4], [-9.63, 6.3]]]}
INVALID = [
    [],
    {"limit": 0},
    {"token": "next:x"},
    {"datetime": "now"},
    {"bbox": [1, 2]},
    {"ids": "x"},
    {"query": {}},
    {"intersects": {"type": "Circle", "coordinates": [1, 2]}},
    {"intersects": {"type": "Polygon", "coordinates": []}},
    {"intersects": {"type": "Point", "coordinates": 7}},
    {"intersects": TRIANGLE, "bbox": [1, 2, 3, 4]},
]


@pytest.fixture
async def demo():
    async with connected(DemoConfig()) as client:
        yield client


def ids(page: dict[str, Any]) -> list[str]:
    return [item["id"] for item in page["features"]]


def in_a_query(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict) else value


def next_of(page: dict[str, Any], rel: str = "next") -> dict[str, Any] | None:
    return next((link for link in page["links"] if link["rel"] == rel), None)


def read_with_pystac_client(site: Site) -> tuple[list[str], list[str], list[str]]:
    """The same listing in three ways, by a client of another project."""
    client = pystac_client.Client.open(site.root, parameters={"key": site.key})
    try:
        posted = client.search(collections=[SOURCE], limit=4)
        got = client.search(collections=[SOURCE], limit=4, method="GET")
        listed = client.get_collection(SOURCE).get_items()
        return [i.id for i in posted.items()], [i.id for i in got.items()], [i.id for i in listed]
    finally:
        client._stac_io.session.close()


async def test_pystac_client_pages_to_the_end_by_post_by_get_and_by_collection():
    async with serve(DemoConfig(items=4, dates=3)) as site:
        posted, got, listed = await asyncio.to_thread(read_with_pystac_client, site)
    assert len(set(listed)) == 12
    assert posted == got == listed


async def test_the_next_link_names_the_last_item_and_the_last_page_has_none(demo):
    page = await demo.get(f"/collections/{SOURCE}/items")
    assert page["context"] == {"limit": 10, "returned": 10, "matched": 18}
    link = next_of(page)
    assert link["method"] == "GET"
    assert link["href"].endswith(f"/items?token=next%3A{ids(page)[-1]}")
    last = await demo.get(f"/collections/{SOURCE}/items", token=f"next:{ids(page)[-1]}")
    assert (last["context"]["returned"], next_of(last)) == (8, None)
    assert not set(ids(page)) & set(ids(last))


async def test_only_the_previous_link_echoes_the_key_and_it_leads_back(demo):
    first = await demo.get(f"/collections/{SOURCE}/items", limit=7)
    second = await demo.get(f"/collections/{SOURCE}/items", limit=7, token=f"next:{ids(first)[-1]}")
    assert next_of(first, "previous") is None
    assert demo.site.key not in next_of(second)["href"]
    back = next_of(second, "previous")["href"]
    assert f"key={demo.site.key}" in back
    _, _, body = await demo.fetch(back)
    assert ids(await demo.get(f"/collections/{SOURCE}/items", limit=7)) == ids(first)
    assert ids(json.loads(body)) == ids(first)


async def test_items_and_search_need_the_key_as_parameter_or_bearer_token(demo):
    for path in (f"/collections/{LABELS}/items", f"/collections/{LABELS}/items/{CHIP}", "/search"):
        status, _, body = await demo.fetch(demo.site.root + path)
        assert (status, body) == (401, NO_KEY)
        wrong = await demo.get(path, 401, key="wrong")
        assert wrong == {"detail": "Could not identify user from API key or Authentication header."}
        status, _, _ = await demo.fetch(demo.site.root + path, Authorization=f"Bearer {demo.site.key}")
        assert status == 200


@pytest.mark.parametrize(
    "path", ["", "/", "/conformance", "/collections", f"/collections/{SOURCE}", "/datasets", "/docs", "/api"]
)
async def test_the_other_endpoints_need_no_key(demo, path):
    status, _, _ = await demo.fetch(demo.site.root + path)
    assert status == 200


async def test_datasets_are_found_by_id_by_doi_by_tag_and_by_text(demo):
    (dataset,) = await demo.get("/datasets")
    assert [each["id"] for each in dataset["collections"]] == [LABELS, SOURCE]
    assert await demo.get(f"/datasets/{dataset['id']}") == dataset
    assert await demo.get(f"/datasets/doi/{dataset['doi']}") == dataset
    assert await demo.get("/datasets", tags="segmentation", text="landcovernet") == [dataset]
    assert await demo.get("/datasets", tags="crop type") == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/collections/none", "Collection none does not exist."),
        ("/collections/none/items/x", "Collection none does not exist."),
        (f"/collections/{LABELS}/items/x", f"Item x in collection {LABELS} does not exist."),
        ("/datasets/none", "Dataset none does not exist."),
        ("/nothing", "Not Found"),
    ],
)
async def test_an_unknown_name_is_a_404_with_a_json_body(demo, path, message):
    assert await demo.get(path, 404) == {"detail": message}


async def test_a_page_is_gzipped_if_the_client_accepts_it(demo):
    url = f"{demo.site.root}/collections/{LABELS}/items?key={demo.site.key}"
    async with aiohttp.ClientSession(auto_decompress=False) as raw:
        async with raw.get(url, headers={"Accept-Encoding": "gzip"}) as answer:
            packed = await answer.read()
            assert answer.headers["Content-Encoding"] == "gzip"
        async with raw.get(url, headers={"Accept-Encoding": "identity"}) as answer:
            plain = await answer.read()
    assert b'"FeatureCollection"' in plain
    assert len(gzip.decompress(packed)) == len(plain)


@pytest.mark.parametrize(
    ("asked", "number"),
    [
        ({}, 24),
        ({"collections": [LABELS]}, 6),
        ({"ids": [CHIP, "unknown", f"{LABELS}_29NXX_1", f"{LABELS}_99NMG_1", f"{LABELS}_29NMG_012"]}, 1),
        ({"ids": [f"{SOURCE}_29NMG_12_{day}" for day in ("20180101", "20180102", "20189999")]}, 1),
        ({"datetime": "2018-05-02T00:00:00Z"}, 6),
        ({"datetime": "../2018-06-01T00:00:00Z", "collections": [SOURCE]}, 12),
        ({"bbox": [-10, 6, -9, 7]}, 12),
        ({"bbox": [170, 6, -9, 7]}, 12),
        ({"bbox": [-10, 6, 0, -9, 7, 100]}, 12),
        ({"bbox": [0, 0, 1, 1]}, 0),
        ({"intersects": {"type": "Point", "coordinates": [-9.615, 6.32]}}, 4),
        ({"intersects": {"type": "Point", "coordinates": [-9.6, 6.32]}}, 0),
        ({"intersects": {"type": "MultiPoint", "coordinates": [[0, 0], [-9.615, 6.32]]}}, 4),
        ({"intersects": {"type": "LineString", "coordinates": [[-9.615, 0], [-9.615, 9]]}}, 4),
        ({"intersects": {"type": "Polygon", "coordinates": [AROUND]}}, 12),
        ({"intersects": {"type": "Polygon", "coordinates": [AROUND, HOLE]}}, 8),
        ({"intersects": {"type": "MultiPolygon", "coordinates": [[AROUND]]}, "collections": [LABELS]}, 3),
        ({"intersects": {"type": "GeometryCollection", "geometries": [TRIANGLE]}}, 4),
        ({"bbox": [-10, 6, -9, 7], "datetime": "2018-08-31T00:00:00Z", "ids": [CHIP]}, 0),
    ],
)
async def test_get_and_post_searches_give_the_same_items(demo, asked, number):
    flat = {name: in_a_query(value) for name, value in asked.items()}
    posted, got = await demo.post({**asked, "limit": 100}), await demo.get("/search", **flat, limit=100)
    assert ids(posted) == ids(got)
    assert len(ids(posted)) == posted["context"]["matched"] == number


async def test_the_next_link_of_a_post_search_repeats_its_parameters(demo):
    page, seen = await demo.post({"collections": [LABELS], "limit": 4}), []
    while True:
        seen += ids(page)
        if (link := next_of(page)) is None:
            break
        assert (link["method"], link["body"]["limit"]) == ("POST", 4)
        page = await demo.post(link["body"])
    assert len(seen) == len(set(seen)) == 6


@pytest.mark.parametrize(
    "asked",
    INVALID,
)
async def test_an_invalid_search_is_refused(demo, asked):
    assert "detail" in await demo.post(asked, 400)
