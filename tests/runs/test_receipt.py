"""The receipt of every run balances, however it ended; a run over some items keeps what DEST holds."""

import json

import pytest

from mlhub_async import Client, Options, Selection, assets, mirror, verify
from mlhub_async.core.errors import SourceError, UsageError
from mlhub_async.engine.verify import status
from support.engine import run
from support.mirrored import Mirrored, publish
from support.server import Status, tif
from support.stac_server import Api, stac_collection, stac_item, static_catalog


@pytest.fixture
async def site(troubled):
    return await troubled.site()


@pytest.mark.parametrize(
    ("limits", "code"),
    [({"fail_fast": True}, 4), ({"max_transfer": 50_000}, 8), ({"max_duration": 1.2}, 8)],
    ids=str,
)
async def test_assets_that_a_stopped_run_did_not_reach_are_counted_as_unfinished(site, dest, limits, code):
    items = publish(site, [f"i{n}" for n in range(12)])
    site.things["/i3.tif"].always = (Status(404),)
    report = await run(static_catalog(site, items), dest, concurrency=1, bwlimit=100_000, **limits)
    assert report.exit_code == code
    Mirrored(dest).check(code)
    assert Mirrored(dest).receipt["assets"]["unfinished"] == report.unfinished > 0
    assert (await verify(dest)).damage == []


async def test_the_manifest_is_sorted_by_paths_whatever_the_order_of_ids(site, dest):
    """In paths a dot and a hyphen come before the slash that ends an id."""
    assert (await run(publish(site, ["b", "a", "a.1", "a-1", "a0"]), dest)).ok
    Mirrored(dest).check(0)
    assert (await verify(dest)).ok


async def test_a_receipt_whose_unfinished_assets_do_not_add_up_is_damage(site, dest):
    assert (await run([*publish(site, ["one"]), stac_item("two", data=site.url("/no"))], dest)).exit_code == 4
    path = dest / ".mlhub/receipt.json"
    receipt = json.loads(path.read_text())
    receipt["assets"]["unfinished"] += 1
    path.write_text(json.dumps(receipt))
    assert [damage.reason for damage in (await verify(dest)).damage] == ["balance"]


async def test_a_run_without_a_listing_leaves_the_earlier_receipt_as_it_was(site, dest):
    api = Api(site, publish(site, ["one", "two"]))
    assert (await run(api.url, dest, "c1")).ok
    before = Mirrored(dest).receipt
    with pytest.raises(SourceError, match="no collection 'c2'"):
        await run(api.url, dest, "c2")
    site.things["/stac/collections/c1/items"].always = (Status(401),)
    with pytest.raises(SourceError, match="401"):
        await run(api.url, dest, "c1")
    assert Mirrored(dest).receipt == before
    assert (await verify(dest)).ok and not status(dest).interrupted
    site.things["/stac/collections/c1/items"].always = ()
    assert (await run(api.url, dest, "c1")).skipped == 2


async def test_a_run_that_is_refused_after_it_listed_something_writes_a_receipt(site, dest):
    """The collection has an asset of its own, so the run may have changed files."""
    own = stac_collection("c1", assets={"note": {"href": site.put("/note.txt", b"note")}})
    api = Api(site, publish(site, ["one", "two"]), collections=[own])
    assert (await run(api.url, dest, "c1")).ok
    site.things["/stac/collections/c1/items"].always = (Status(401),)
    with pytest.raises(SourceError, match="401"):
        await run(api.url, dest, "c1")
    assert Mirrored(dest).receipt["exit_code"] == 3
    found = await verify(dest)
    assert found.exit_code == 3 and not found.damage


async def test_the_manifest_is_sorted_by_line_also_where_one_path_is_a_prefix_of_another(site, dest):
    """`data 30000 …` comes after `data 2 …`, though `data` comes before `data 2`."""
    site.put("/a", tif(30_000))
    site.put("/b", tif(20_000))
    item = stac_item("one", **{"data": site.url("/a"), "data 2": site.url("/b")})
    assert (await run([item], dest)).ok
    assert sorted(Mirrored(dest).files) == ["c1/one/data", "c1/one/data 2"]
    Mirrored(dest).check(0)


async def test_a_broken_source_link_is_a_row_with_its_label_item_and_its_href(site, dest):
    received = []
    links = [{"rel": "self", "href": site.url("/one.json")}, {"rel": "source", "href": "gone.json"}]
    label = {**publish(site, ["one"])[0], "links": links}
    label["properties"]["label:type"] = "raster"
    report = await mirror([label], dest, Options(allow_private=True), on_event=received.append)
    assert report.ok and report.dangling == 1
    (row,) = Mirrored(dest).errors
    assert (row["collection"], row["item"], row["href"]) == ("c1", "one", site.url("/gone.json"))
    assert row["benign"] and row["error"] == {
        "class": "dangling-source",
        "message": f"source of one: {site.url('/gone.json')}: HTTP 404",
        "retryable": False,
    }
    (event,) = [one for one in received if one["event"] == "error"]
    assert all(event[name] == row[name] for name in ("collection", "item", "href", "error"))


def with_bbox(item, x):
    return item | {"bbox": [x, 0.0, x, 0.0], "collection": "made-up"}


async def test_a_run_over_some_items_does_not_shrink_the_extent_of_their_collection(site, dest):
    """The source has no collection document: the extent is made from the items."""
    items = [with_bbox(item, float(n)) for n, item in enumerate(publish(site, ["one", "two", "three"]))]
    for given in (items, items[2:], items[:1]):
        assert (await run(given, dest)).ok
        collection = json.loads((dest / "made-up/collection.json").read_text())
        assert collection["extent"]["spatial"]["bbox"] == [[0.0, 0.0, 2.0, 0.0]]


@pytest.mark.parametrize(
    ("collections", "named"), [(("c1",), "c1"), (("c1", "c2"), None), ((), None)], ids=str
)
async def test_the_page_event_names_the_collection_if_exactly_one_was_searched(
    site, dest, collections, named
):
    items = publish(site, ["one", "two"])
    items.append(items[0] | {"collection": "c2"})
    received = []
    selection = Selection(collections=collections, bbox=(0.0, 0.0, 9.0, 9.0))
    await mirror(
        Api(site, items).url, dest, Options(allow_private=True, selection=selection), on_event=received.append
    )
    assert [one["collection"] for one in received if one["event"] == "page"] == [named]


async def test_a_client_that_was_not_entered_raises_a_usage_error(dest):
    client = Client(environ={})
    for call in (
        lambda: client.collection("c1"),
        lambda: anext(client.items("c1")),
        lambda: client.download(assets(stac_item("one", data="https://h.test/a"))[0], dest),
    ):
        with pytest.raises(UsageError, match="async with"):
            await call()
