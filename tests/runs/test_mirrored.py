"""`mirrored()`: items while the mirror runs; when it has been left, the mirror has ended."""

import asyncio
import os
import threading
from contextlib import aclosing

import pytest

from mlhub_async import mirrored
from mlhub_async.api.item_iterator import MAX_ITEMS_AHEAD
from mlhub_async.core.errors import TransferError
from mlhub_async.storage.local.store import LocalStore
from support.engine import AT_ONCE, make_options, run
from support.mirrored import Mirrored, publish
from support.server import Stall, until
from support.stac_server import stac_item


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def iterate(items, dest):
    return aclosing(mirrored(items, dest, make_options(allow_private=True, retry=AT_ONCE)))


def assert_ended(dest):
    """DEST can be locked by another run, and the ledger is closed."""
    store = LocalStore(dest)
    store.open()
    store.close()
    assert not (dest / ".mlhub/ledger.sqlite-wal").exists()


async def test_items_have_local_hrefs_and_the_first_error_is_raised_at_the_end(site, dest):
    lost = stac_item("lost", data=site.url("/lost.tif"))
    hrefs = {}
    with pytest.raises(TransferError, match="404"):
        async with iterate([*publish(site, ["one"]), lost], dest) as items:
            async for item in items:
                hrefs[item["id"]] = item["assets"]["data"]["href"]
    assert hrefs == {"one": str(dest / "c1/one/data.tif"), "lost": site.url("/lost.tif")}
    assert_ended(dest)


async def test_the_mirror_waits_for_a_caller_who_takes_no_items(site, dest):
    async with iterate(publish(site, [f"i{n}" for n in range(400)], size=100), dest) as items:
        await anext(items)
        await until(lambda: len(site.log) > MAX_ITEMS_AHEAD)
        await asyncio.sleep(0.2)
        assert len(site.log) < 300
        assert len([item async for item in items]) == 399


class CallerError(Exception):
    """An error in the loop of the caller."""


async def leave_by_break(items):
    async for _ in items:
        break


async def leave_by_exception(items):
    async for _ in items:
        raise CallerError


async def leave_by_cancellation(items):
    async for _ in items:
        asyncio.current_task().cancel()


LEAVE = [leave_by_break, leave_by_exception, leave_by_cancellation]


@pytest.mark.parametrize("leave", LEAVE, ids=lambda leave: leave.__name__)
async def test_when_the_loop_has_been_left_the_mirror_has_ended(site, dest, leave):
    items = publish(site, ["one", "two"])
    site.things["/two.tif"].faults.append(Stall(100))

    async def consume():
        async with iterate(items, dest) as finished:
            await leave(finished)

    [ended] = await asyncio.gather(asyncio.create_task(consume()), return_exceptions=True)
    expected = {leave_by_exception: CallerError, leave_by_cancellation: asyncio.CancelledError}
    assert isinstance(ended, expected.get(leave, type(None)))
    assert_ended(dest)
    assert Mirrored(dest).receipt["exit_code"] == 130
    assert (await run(items, dest)).exit_code == 0


@pytest.mark.parametrize("leave", LEAVE[:2], ids=lambda leave: leave.__name__)
async def test_cancellations_while_the_mirror_saves_its_state_do_not_end_the_wait(
    site, dest, leave, monkeypatch
):
    real, saving, gate = os.rename, threading.Event(), threading.Event()

    def slow(source, target, **more):
        if str(target).endswith("receipt.json"):
            saving.set()
            assert gate.wait(60)
        return real(source, target, **more)

    monkeypatch.setattr(os, "rename", slow)
    items = publish(site, ["one", "two"])
    site.things["/two.tif"].faults.append(Stall(100))

    async def consume():
        async with iterate(items, dest) as finished:
            await leave(finished)

    task = asyncio.create_task(consume())
    try:
        await until(saving.is_set)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.05)
        assert not task.done()
    finally:
        gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert_ended(dest)
