"""The MLHub API as calls: `Client`."""

import asyncio
from contextlib import nullcontext
from urllib.parse import parse_qs, parse_qsl

import pytest

from mlhub_async import Asset, Client, Options, Selection, assets, verify
from mlhub_async.core.errors import CatalogError, SourceError, TransferError, UsageError
from support.server import Delay, Status, tif
from support.stac_server import Api, answer, stac_collection, stac_item

DATASETS = [
    {"id": "crops", "tags": ["crop type", "sentinel-2"]},
    {"id": "floods", "tags": ["flood"]},
    {"id": "bare"},
]


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ([], ["crops", "floods", "bare"]),
        (["crop type"], ["crops", "bare"]),
        (["sentinel-2", "flood"], ["bare"]),
    ],
)
async def test_tags_are_filtered_where_the_server_ignores_them(troubled, tags, found):
    site = await troubled.site()
    site.json("/v1/datasets", DATASETS)
    async with Client(api_key="k", environ={"MLHUB_ROOT_URL": site.url("/v1")}) as mlhub:
        assert [dataset["id"] async for dataset in mlhub.datasets(tags=tags)] == found
    assert parse_qs(site.log[-1].query).get("tags", []) == tags


@pytest.fixture
async def site(troubled):
    return await troubled.site()


@pytest.fixture
async def api(site):
    return Api(site, [stac_item(name, data="x.tif") for name in ("a", "b", "c")])


async def test_an_answer_that_is_no_json_object_is_an_error(site):
    for path in ("/v1/collections/c1", "/v1/datasets/d", "/v1/collections/c1/items/a"):
        site.json(path, [])
    async with Client(root_url=site.url("/v1"), environ={}) as mlhub:
        for read in (mlhub.collection("c1"), mlhub.dataset("d"), mlhub.item("c1", "a")):
            with pytest.raises(SourceError, match="is not a JSON object"):
                await read


async def test_zero_items_need_no_request(api):
    async with Client(root_url=api.url, environ={}) as mlhub:
        assert [item async for item in mlhub.items("c1", max_items=0)] == []
    assert api.site.log == []


async def test_a_closed_client_raises_a_usage_error(api):
    async with Client(root_url=api.url, environ={}) as mlhub:
        assert (await mlhub.collection("c1"))["id"] == "c1"
    with pytest.raises(UsageError, match="async with"):
        await mlhub.collection("c1")


async def test_a_directory_can_take_a_download_then_a_mirror_then_a_download(api, dest):
    """One after the other, as in the example of the README."""
    api.items[0]["assets"]["data"]["href"] = api.site.put("/a.tif", tif(2000))
    options = Options(allow_private=True, selection=Selection(ids=("a",)))
    async with Client(root_url=api.url, environ={}, options=options) as mlhub:
        (asset,) = assets(await mlhub.item("c1", "a"))
        assert await mlhub.download(asset, dest) == dest / "c1/a/data.tif"
        assert (await mlhub.mirror("c1", f"{dest}/", options=options)).ok
        assert (await mlhub.download(asset, dest)).read_bytes() == tif(2000)
        assert (await verify(dest)).ok


async def test_a_download_of_an_asset_that_left_its_item_fails_with_the_status(api, dest):
    gone = Asset(api.url + "/download/gAAAAABx", "gone", "a", "c1")
    async with Client(root_url=api.url, environ={}, options=Options(allow_private=True)) as mlhub:
        with pytest.raises(TransferError, match="404"):
            await mlhub.download(gone, dest)


async def test_items_are_returned_in_the_order_of_their_ids_and_a_missing_one_raises(api):
    async with Client(root_url=api.url, environ={}) as mlhub:
        assert [one["id"] for one in await mlhub.items_by_id("c1", ["c", "a", "c"])] == ["c", "a", "c"]
        with pytest.raises(SourceError, match="items/gone"):
            await mlhub.items_by_id("c1", ["a", "gone"])


@pytest.mark.parametrize("method", ["items_by_id", "source_items"])
async def test_two_thousand_reads_run_sixteen_at_a_time_and_end_with_the_first_error(site, method):
    ids = [f"i{n}" for n in range(2000)]
    path = "/v1/collections/c1/items"
    urls = [site.json(f"{path}/{id}", stac_item(id), always=[Delay(0.005)]) for id in ids]
    site.put(f"{path}/i40", always=[Status(404)])
    tasks = []
    site.answered = lambda *_: tasks.append(len(asyncio.all_tasks()))
    label = {**stac_item("l"), "links": [{"rel": "source", "href": url} for url in urls]}
    async with Client(root_url=site.url("/v1"), environ={}) as mlhub:
        with pytest.raises(SourceError, match="items/i40") as caught:
            if method == "items_by_id":
                await mlhub.items_by_id("c1", ids)
            else:
                _ = [one async for one in mlhub.source_items(label)]
    assert isinstance(caught.value.__cause__, TransferError), "the first error as it was raised"
    assert 1 < site.peak <= 16 and len(site.log) < 80 and max(tasks) < 100


async def test_http_source_links_to_an_https_api_are_read_by_https_with_the_key(troubled, authority):
    site = await troubled.site("localhost", authority.context())
    site.json("/v1/s", stac_item("s"))
    label = {
        **stac_item("l"),
        "links": [{"rel": "source", "href": site.url("/v1/s").replace("https", "http")}],
    }
    given = Options(ca_file=str(authority.pem), allow_private=True)
    async with Client("k", root_url=site.url("/v1"), environ={}, options=given) as mlhub:
        assert [one["id"] async for one in mlhub.source_items(label)] == ["s"]
    assert parse_qs(site.log[-1].query)["key"] == ["k"]


def page_collections(api, size, announced=None):
    """Make /collections a paged listing."""
    listed = [api.linked(one) for one in api.collections]

    def page(seen):
        asked = dict(parse_qsl(seen.query))
        start = api.start_of(asked.get(api.style), size)
        links = api.links(seen, asked, start, size, len(listed))
        total = {} if announced is None else {"numberMatched": announced}
        return answer({"collections": listed[start : start + size], "links": links, **total})

    api.site.route(f"{api.root}/collections", page)


@pytest.fixture
async def many_collections(site):
    return Api(site, [], collections=[stac_collection(f"c{n}") for n in range(7)])


@pytest.mark.parametrize("style", ["token", "page", "offset", "startRecord"])
@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
async def test_collections_are_read_over_all_pages(many_collections, style, relative):
    api = many_collections
    api.style, api.relative = style, relative
    page_collections(api, 3, announced=7)
    async with Client(root_url=api.url, environ={}) as mlhub:
        assert [one["id"] async for one in mlhub.collections()] == [f"c{n}" for n in range(7)]
    assert api.site.count("/stac/collections") == 3


async def test_a_listing_that_gives_less_than_it_announced_raises_at_its_end(site):
    site.json("/v1/collections", {"collections": [stac_collection("c1")], "numberMatched": 2})
    site.json("/v1/collections/c1/items", {"features": [stac_item("a")], "numberMatched": 3})
    given = []
    async with Client(root_url=site.url("/v1"), environ={}) as mlhub:
        with pytest.raises(CatalogError, match=r"/collections announced 2 collections and gave 1"):
            async for one in mlhub.collections():
                given.append(one["id"])
        assert given == ["c1"]
        with pytest.raises(CatalogError, match=r"/items.* announced 3 features and gave 1"):
            _ = [one async for one in mlhub.items("c1")]
        assert [one["id"] async for one in mlhub.items("c1", max_items=1)] == ["a"]


@pytest.mark.parametrize("is_allowed", [True, False])
async def test_a_next_link_leads_to_another_origin_only_where_that_is_allowed(troubled, site, is_allowed):
    other = await troubled.site()
    following = other.json("/page2", {"features": [stac_item("b")], "links": []})
    page = {"features": [stac_item("a")], "links": [{"rel": "next", "href": following}]}
    site.json("/v1/collections/c1/items", page)
    options = Options(allow_private=True, allow_origins=[other.url("/any")] if is_allowed else [])
    given = []
    async with Client(root_url=site.url("/v1"), environ={}, options=options) as mlhub:
        with nullcontext() if is_allowed else pytest.raises(CatalogError, match="--allow-origin"):
            async for one in mlhub.items("c1"):
                given.append(one["id"])
    assert given == (["a", "b"] if is_allowed else ["a"])


async def test_an_answer_without_a_list_of_collections_is_an_error(site):
    site.json("/v1/collections", {"links": []})
    async with Client(root_url=site.url("/v1"), environ={}) as mlhub:
        with pytest.raises(CatalogError, match="no list of collections"):
            _ = [one async for one in mlhub.collections()]


@pytest.mark.parametrize("listed", [{"datasets": []}, ["crops"], None])
async def test_an_answer_that_is_no_list_of_datasets_is_an_error(api, listed):
    api.site.json("/stac/datasets", listed)
    async with Client(root_url=api.url, environ={}) as mlhub:
        with pytest.raises(SourceError, match="no list of datasets"):
            [one async for one in mlhub.datasets()]
