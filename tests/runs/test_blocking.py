"""`blocking`: the same calls without `await`; whatever ends the wait, the mirror has ended and saved."""

import asyncio
import signal
import sys
import threading

import pytest

from mlhub_async import TransferError, blocking
from mlhub_async.storage.local.store import LocalStore
from support.engine import AT_ONCE, make_options
from support.mirrored import Mirrored, publish, wait_for
from support.server import Stall
from support.stac_server import stac_item

OPTIONS = {"allow_private": True, "retry": AT_ONCE}


def iterate(items, dest, **more):
    return blocking.mirrored(items, dest, make_options(**OPTIONS), **more)


def assert_ended(dest):
    """DEST can be locked by another run, and no thread of the mirror is left."""
    store = LocalStore(dest)
    store.open()
    store.close()
    assert not [one for one in threading.enumerate() if one.name == "mlhub-blocking"]


def test_items_come_with_local_hrefs_and_the_first_error_at_the_end(site, dest):
    lost = stac_item("lost", data=site.url("/lost.tif"))
    hrefs = {}
    with pytest.raises(TransferError, match="404"):
        for item in iterate([*publish(site, ["one"]), lost], dest):
            hrefs[item["id"]] = item["assets"]["data"]["href"]
    assert hrefs == {"one": str(dest / "c1/one/data.tif"), "lost": site.url("/lost.tif")}
    assert_ended(dest)


async def test_it_works_inside_of_a_loop_that_runs_as_in_a_notebook(site, dest):
    assert asyncio.get_running_loop()
    found = [item["id"] for item in iterate(publish(site, ["one", "two", "three"]), dest)]
    assert sorted(found) == ["one", "three", "two"]


def test_the_mirror_goes_on_while_the_caller_works(site, dest):
    items = iterate(publish(site, ["one", "two", "three"]), dest)
    next(items)
    wait_for(lambda: len([seen for seen in site.log if seen.path.endswith(".tif")]) == 3)
    assert len(list(items)) == 2


def test_when_the_loop_has_been_left_the_mirror_has_ended(site, dest):
    items = publish(site, ["one", "two"])
    site.things["/two.tif"].faults.append(Stall(100))
    for _ in iterate(items, dest):
        break
    assert_ended(dest)
    assert Mirrored(dest).receipt["exit_code"] == 130
    assert len(list(iterate(items, dest))) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT to a thread")
@pytest.mark.parametrize("call", [blocking.mirror, blocking.mirrored], ids=["mirror", "mirrored"])
def test_ctrl_c_while_it_waits_saves_the_state(site, dest, call):
    items = publish(site, ["one", "two"])
    for path in ("/one.tif", "/two.tif"):
        site.things[path].faults.append(Stall(100))
    main = threading.main_thread().ident

    def interrupt():
        wait_for(lambda: len(site.log) == 2)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        list(call(items, dest, make_options(**OPTIONS)))
    thread.join()
    assert_ended(dest)
    assert Mirrored(dest).receipt["exit_code"] == 130


def test_a_generator_that_the_thread_of_its_loop_closes_does_not_wait_for_itself(site, dest):
    """The garbage collector runs in any thread: in that of the loop, while an item is passed on."""
    held = []

    def close(_):
        while held:
            held.pop().close()

    items = publish(site, ["one", "two"])
    generator = iterate(items, dest, on_event=close)
    next(generator)
    thread = next(one for one in threading.enumerate() if one.name == "mlhub-blocking")
    loop_call = threading.Event()
    generator.gi_frame.f_locals["thread"]._loop.call_soon_threadsafe(
        lambda: (generator.close(), loop_call.set())
    )
    assert loop_call.wait(60)
    thread.join(60)
    assert not thread.is_alive()
    assert_ended(dest)
