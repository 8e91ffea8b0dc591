"""What callers from Python meet: names, reports, the log, iterators that wait, errors that name things."""

import asyncio
import copy
import json
import logging
import pickle
import threading

import pytest

import mlhub_async
from mlhub_async import Options, Record, Selection, UsageError, assets, mirror
from mlhub_async.core.model import Proof
from support.engine import make_options, run
from support.mirrored import Mirrored, publish, stac_item


def test_completion_offers_the_public_names_and_only_those():
    assert sorted(dir(mlhub_async)) == sorted(mlhub_async.__all__)
    assert {"DiskFull", "Item", "Meter", "MlhubError", "Record", "mirror"} <= set(dir(mlhub_async))


def test_an_unknown_asset_key_is_told_with_those_that_exist():
    body = stac_item("one", labels="https://h.test/a.tif", B04="https://h.test/b.tif")
    with pytest.raises(UsageError, match=r"item 'one' has no asset 'nope'; its assets are: labels, B04"):
        assets(body, keys=["labels", "nope"])
    assert [asset.key for asset in assets(body, keys="B04")] == ["B04"]


@pytest.mark.parametrize("wrong", [None, 5, b"items.json", "asset", "record"])
async def test_what_is_no_item_is_refused(dest, wrong):
    """Assets and records are tuples, so that they can be iterated over, as a list of items can."""
    [asset] = mlhub_async.assets(stac_item("a", data="https://host.test/a.tif"))
    others = {"asset": asset, "record": Record("a.tif", 1, "", 0, Proof.SIZE)}
    with pytest.raises(UsageError):
        await mlhub_async.mirror(others.get(wrong, wrong), dest)
    with pytest.raises(UsageError):
        mlhub_async.assets(others.get(wrong, wrong))


async def test_the_items_of_each_are_a_source_and_can_be_copied(site, dest):
    found = []

    async def note(item, records):
        found.append(item)

    await mlhub_async.mirror(publish(site, ["a"]), dest, Options(allow_private=True), each=note)
    [item] = found
    for number, source in enumerate([item, [item], [copy.deepcopy(item), pickle.loads(pickle.dumps(item))]]):
        other = dest.with_name(f"dest{number}")
        report = await mlhub_async.mirror(source, other, Options(allow_private=True))
        assert (report.exit_code, len(Mirrored(other).files)) == (0, 1)
    assert mlhub_async.assets(item) == mlhub_async.assets(item.body)


async def test_a_download_takes_assets_only(site, tmp_path):
    [asset] = mlhub_async.assets(publish(site, ["a"])[0])
    async with mlhub_async.Client(root_url=site.url("/"), options=Options(allow_private=True)) as client:
        assert (await client.downloads(asset, tmp_path / "dest")).fetched == 1
        for wrong in ([asset], None, {"href": asset.href}):
            with pytest.raises(UsageError, match=r"mlhub_async\.assets"):
                await client.download(wrong, tmp_path / "dest")
        with pytest.raises(UsageError, match=r"mlhub_async\.assets"):
            await client.downloads([asset.href], tmp_path / "dest")


async def test_a_report_is_shown_in_one_short_line(site, dest):
    report = await run(publish(site, ["one", "two"]), dest)
    shown = repr(report)
    assert len(shown) < 500 and "\n" not in shown
    assert "selected=2 fetched=2" in shown and "exit code 0" in shown


async def test_an_iterator_that_waits_does_not_hold_up_the_loop(site, dest):
    """As a search of pystac-client: each page is waited for inside of `next`."""
    loop_thread, asked_in = threading.get_ident(), set()
    turn = threading.Event()

    def search():
        for one in publish(site, ["one", "two", "three"]):
            asked_in.add(threading.get_ident())
            assert turn.wait(60), "the loop does not run while the iterator waits"
            turn.clear()
            yield one

    async def give_turns():
        while True:
            turn.set()
            await asyncio.sleep(0.001)

    giving = asyncio.ensure_future(give_turns())
    report = await mirror(search(), dest, make_options(Selection(), allow_private=True))
    giving.cancel()
    assert report.ok and report.fetched == 3
    assert len(asked_in) == 1 and loop_thread not in asked_in


async def test_an_iterator_that_fails_ends_the_run_and_the_receipt_says_so(site, dest):
    def broken():
        yield publish(site, ["one"])[0]
        raise ValueError("the search broke off")

    with pytest.raises(ValueError, match="broke off"):
        await mirror(broken(), dest, make_options(Selection(), allow_private=True))
    assert json.loads((dest / ".mlhub/receipt.json").read_bytes())["exit_code"] != 0


async def test_failures_are_logged_with_their_reasons(site, dest, caplog):
    caplog.set_level(logging.INFO, "mlhub_async")
    await run([*publish(site, ["one"]), stac_item("gone", data=site.url("/gone.tif"))], dest)
    [line] = [record for record in caplog.records if "gone" in record.getMessage()]
    assert line.levelno == logging.WARNING and "404" in line.getMessage()


def test_nothing_is_printed_for_who_configures_no_logging():
    [handler] = logging.getLogger("mlhub_async").handlers
    assert isinstance(handler, logging.NullHandler)
