"""The MLHub API as calls: what a server leaves to us."""

from urllib.parse import parse_qs

import pytest

from mlhub_async import Asset, Client, Options, Selection, assets, verify
from mlhub_async.core.errors import SourceError, TransferError, UsageError
from support.server import tif
from support.stac_server import Api, stac_item

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
async def test_tags_hold_where_a_server_does_not_look_at_them(troubled, tags, found):
    site = await troubled.site()
    site.json("/v1/datasets", DATASETS)
    async with Client(api_key="k", environ={"MLHUB_ROOT_URL": site.url("/v1")}) as mlhub:
        assert [dataset["id"] async for dataset in mlhub.datasets(tags=tags)] == found
    assert parse_qs(site.log[-1].query).get("tags", []) == tags


@pytest.fixture
async def api(troubled):
    return Api(await troubled.site(), [stac_item(name, data="x.tif") for name in ("a", "b", "c")])


async def test_no_items_are_no_request(api):
    async with Client(root_url=api.url, environ={}) as mlhub:
        assert [item async for item in mlhub.items("c1", max_items=0)] == []
    assert api.site.log == []


async def test_after_its_end_a_client_says_how_to_use_it(api):
    async with Client(root_url=api.url, environ={}) as mlhub:
        assert (await mlhub.collection("c1"))["id"] == "c1"
    with pytest.raises(UsageError, match="async with"):
        await mlhub.collection("c1")


async def test_what_was_downloaded_to_may_be_mirrored_to_and_downloaded_to_again(api, dest):
    """As the documentation does it, one after the other."""
    api.items[0]["assets"]["data"]["href"] = api.site.put("/a.tif", tif(2000))
    options = Options(allow_private=True, selection=Selection(ids=("a",)))
    async with Client(root_url=api.url, environ={}, options=options) as mlhub:
        (asset,) = assets(await mlhub.item("c1", "a"))
        assert await mlhub.download(asset, dest) == dest / "c1/a/data.tif"
        assert (await mlhub.mirror("c1", f"{dest}/", options=options)).ok
        assert (await mlhub.download(asset, dest)).read_bytes() == tif(2000)
        assert (await verify(dest)).ok


async def test_an_asset_that_its_item_has_no_more_is_refused_with_the_servers_word(api, dest):
    gone = Asset(api.url + "/download/gAAAAABx", "gone", "a", "c1")
    async with Client(root_url=api.url, environ={}, options=Options(allow_private=True)) as mlhub:
        with pytest.raises(TransferError, match="404"):
            await mlhub.download(gone, dest)


async def test_items_come_in_the_order_of_their_ids_and_one_that_is_missing_raises(api):
    async with Client(root_url=api.url, environ={}) as mlhub:
        assert [one["id"] for one in await mlhub.items_by_id("c1", ["c", "a", "c"])] == ["c", "a", "c"]
        with pytest.raises(SourceError, match="items/gone"):
            await mlhub.items_by_id("c1", ["a", "gone"])


async def test_source_links_that_lost_their_https_are_read_with_the_key(troubled, authority):
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


@pytest.mark.parametrize("answer", [{"datasets": []}, ["crops"], None])
async def test_what_is_no_list_of_datasets_is_told(api, answer):
    api.site.json("/stac/datasets", answer)
    async with Client(root_url=api.url, environ={}) as mlhub:
        with pytest.raises(SourceError, match="no list of datasets"):
            [one async for one in mlhub.datasets()]
