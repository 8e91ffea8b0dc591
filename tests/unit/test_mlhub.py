"""Expired hrefs, and MLHub: its datasets, its paging, its download tokens."""

import asyncio
import json

import pytest

from mlhub_async import stac
from mlhub_async.core.errors import CatalogError, SourceError, TransferError, Transient, UsageError
from mlhub_async.core.model import Collection
from mlhub_async.sources.linked.source_links import FollowSources
from support.documents import API, Documents, api, collection, item, listed, page, recognised, summary

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
    source = await recognised(API, reader, follow_sources=False)
    stale = stac.item_of(item("a1", "a", assets={"x": {"href": "old-x"}, "y": {"href": "old-y"}}), API)
    return source, stac.assets_of(stale)


async def test_expired_hrefs_are_refreshed_by_reading_their_item_once_for_all_its_assets():
    reader = minting()
    source, (x, y) = await a_source_and_an_asset(reader)
    before = len(reader.asked)
    fresh = await asyncio.gather(*(source.refresh(asset) for asset in (x, y, x, y)))
    assert [one.key for one in fresh] == ["x", "y", "x", "y"]
    assert all(one.href.startswith(TOKEN) for one in fresh)
    assert len(reader.asked) == before + 1


async def test_an_href_that_expired_again_is_refreshed_again():
    reader = minting()
    source, (x, _) = await a_source_and_an_asset(reader)
    first = await source.refresh(x)
    second = await source.refresh(first)
    assert len({x.href, first.href, second.href}) == 3


async def test_an_item_that_is_gone_or_has_no_other_href_gives_no_fresh_href():
    source, (x, _) = await a_source_and_an_asset(api("GET"))
    assert await source.refresh(x) is None
    same = api(
        "GET", known={f"{API}/collections/a/items/a1": item("a1", "a", assets={"x": {"href": x.href}})}
    )
    source, _ = await a_source_and_an_asset(same)
    assert await source.refresh(x) is None


async def test_an_asset_of_a_collection_is_refreshed_from_its_collection():
    whole = collection("a", assets={"doc": {"href": "https://api.test/new.pdf"}})
    source, _ = await a_source_and_an_asset(api("GET", known={f"{API}/collections/a": whole}))
    old = {**whole, "assets": {"doc": {"href": "https://api.test/old.pdf"}}}
    (asset,) = stac.collection_assets(Collection("a", old, API))
    assert (await source.refresh(asset)).href == "https://api.test/new.pdf"


async def test_a_refresh_raises_a_transient_error_of_the_item():
    reader = api("GET", known={f"{API}/collections/a/items/a1": Transient("busy")})
    source, (x, _) = await a_source_and_an_asset(reader)
    with pytest.raises(Transient):
        await source.refresh(x)


async def test_the_last_64_items_that_were_read_for_new_hrefs_are_remembered():
    known = {
        f"{API}/collections/a/items/i{n}": item(
            f"i{n}", "a", assets={"x": {"href": f"https://api.test/new{n}"}}
        )
        for n in range(100)
    }
    reader = api("GET", known=known)
    source, _ = await a_source_and_an_asset(reader)

    async def refresh(n):
        stale = stac.item_of(item(f"i{n}", "a", assets={"x": {"href": "old"}}), API)
        assert await source.refresh(stac.assets_of(stale)[0])

    for n in range(100):
        await refresh(n)
    count = len(reader.asked)
    await refresh(99 - 63)
    assert len(reader.asked) == count
    await refresh(99 - 64)
    assert len(reader.asked) == count + 1


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


async def test_next_links_of_mlhub_are_followed_by_https_and_without_their_key():
    found = await listed("mlhub", hub(), collections=("a",))
    assert summary(found) == ["[a]", "-", "a1", "-", "a2"]


async def test_a_dataset_is_all_of_its_collections_once_each():
    assert summary(await listed("mlhub", hub(), dataset="d")) == ["[a]", "-", "a1", "-", "a2", "[b]", "-"]


async def test_the_dataset_option_works_for_any_api_and_for_no_other_kind_of_source(tmp_path):
    root = {"type": "Catalog", "id": "hub", "conformsTo": [], "links": []}
    found = await listed(HUB, hub({f"{HUB}/": root, HUB: root}), dataset="d", collections=("b",))
    assert summary(found) == ["[b]", "-"]
    for body in ({**root, "conformsTo": None}, page(item("i", "a"))):
        (tmp_path / "c.json").write_text(json.dumps(body))
        with pytest.raises(UsageError, match="--dataset is for an MLHub"):
            await listed(str(tmp_path / "c.json"), hub(), dataset="d")


async def test_a_dataset_is_found_by_its_doi():
    assert summary(await listed("mlhub", hub(), dataset="10.1/x.v2")) == ["[b]", "-"]


async def test_a_dataset_and_a_collection_select_that_collection_of_the_dataset():
    assert summary(await listed("mlhub", hub(), dataset="d", collections=("b",))) == ["[b]", "-"]
    with pytest.raises(SourceError, match="dataset d has no collection 'c'"):
        await listed("mlhub", hub(), dataset="d", collections=("c",))


async def test_an_unknown_dataset_is_reported_with_similar_ids():
    with pytest.raises(SourceError, match="did you mean ref_african_crops_kenya_02"):
        await listed("mlhub", hub(), dataset="ref_african_crops_kenya")


async def test_a_dataset_without_collections_is_reported():
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


async def test_mlhub_needs_a_collection_or_a_dataset():
    with pytest.raises(UsageError, match="-c or --dataset"):
        await listed("mlhub", hub())


async def test_an_mlhub_href_is_refreshed_from_its_item():
    fresh = item("a1", "a", assets={"x": {"href": f"{HUB}/download/new"}})
    source = await recognised("mlhub", hub({f"{HUB}/collections/a/items/a1": fresh}), collections=("a",))
    assert isinstance(source, FollowSources)
    (stale,) = stac.assets_of(
        stac.item_of(item("a1", "a", assets={"x": {"href": f"{HUB}/download/old"}}), HUB)
    )
    assert (await source.refresh(stale)).href == f"{HUB}/download/new"


async def test_an_unknown_dataset_is_reported_even_if_datasets_cannot_be_listed():
    with pytest.raises(SourceError, match=r"no dataset 'x' \(.*404\)"):
        await listed("mlhub", hub({f"{HUB}/datasets": TransferError("no", status=404)}), dataset="x")
