"""kill -9 at any moment breaks no promise."""

import random
import sqlite3
import sys
from contextlib import closing

import pytest

from mlhub_async import RetryPolicy
from support.changing_server import World
from support.kill_loop import QUICK, looping
from support.mirrored import Mirrored, publish
from support.renaming_kills import renaming
from support.server import Background, tif
from support.stac_server import stac_item, static_catalog

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def test_no_promise_is_broken_in_eight_rounds_of_kills(tmp_path):
    with looping(tmp_path, seed=11, program=QUICK, count=16) as loop:
        for _ in range(8):
            loop.round()
        assert loop.tally.violations == []
        assert loop.tally.killed >= 4
        assert any("x-secret" in seen.headers for seen in loop.world.home.log)
        assert loop.world.bytes_sent()[0] > 1_000_000


def test_no_promise_is_broken_while_large_files_come_in_parts(tmp_path):
    with looping(tmp_path, seed=11, program=QUICK, count=1, huge=3) as loop:
        for _ in range(3):
            loop.round()
        assert loop.tally.violations == []
        assert any(first for spans in loop.world.sent.values() for first, _ in spans), "no parts came"


def test_no_promise_is_broken_while_the_files_of_an_old_mirror_are_renamed(tmp_path):
    with renaming(tmp_path, seed=3, count=45, program=QUICK) as loop:
        while loop.tally.rounds < 3 or (not loop.tally.half_way and loop.tally.rounds < 20):
            loop.round()
        assert loop.tally.violations == []
        assert loop.tally.half_way and loop.tally.asset_requests == 0


@pytest.mark.parametrize("sidecar", [b"", b'{"journal":1,"key":"k","val'])
def test_a_note_that_a_kill_left_half_written_is_cleared_away_with_its_bytes(run_cli, site, dest, sidecar):
    partial = dest / ".mlhub" / "partial"
    partial.mkdir(parents=True)
    (partial / "old1.part").write_bytes(bytes(1000))
    (partial / "old1.journal").write_bytes(sidecar)
    assert run_cli("mirror", static_catalog(site, publish(site, ["one"])), dest).code == 0
    assert Mirrored(dest).partial == []


def test_a_shared_file_whose_line_a_kill_took_is_linked_again_without_a_rest(run_cli, site, dest):
    href = site.put("/one.tif", tif(20_000), etag='"1"')
    url = static_catalog(site, [stac_item("a", data=href), stac_item("b", data=href)])
    assert run_cli("mirror", url, dest).code == 0
    with closing(sqlite3.connect(dest / ".mlhub/ledger.sqlite")) as ledger, ledger:
        ledger.execute("DELETE FROM file WHERE item='b'")
    assert run_cli("mirror", url, dest).code == 0
    mirror = Mirrored(dest)
    assert mirror.partial == [] and mirror.bytes_of("a") == mirror.bytes_of("b") == tif(20_000)
    assert site.count("/one.tif") == 1


@pytest.mark.parametrize(("kind", "seed"), [("zip", 2), ("tar.gz", 3), ("tar.zst", 4)])
def test_no_promise_is_broken_while_the_members_of_an_archive_come(tmp_path, kind, seed):
    with looping(tmp_path, seed=seed, program=QUICK, count=40, archive=kind) as loop:
        for _ in range(4):
            loop.round()
        assert loop.tally.violations == []
        assert loop.tally.killed >= 2


def test_an_object_that_nobody_asks_for_gathers_no_more_trouble_than_one_run_bears():
    """With `still` one run after a kill has to be enough, whatever the rounds before it were spared."""
    with Background() as sites:
        world = World(sites.site(), sites.site(), random.Random(5003), still=True)
        for _ in range(200):
            world.turn(changes=4, faults=4)
        things = [thing for site in (world.home, world.away) for thing in site.things.values()]
        assert 0 < max(len(thing.faults) for thing in things) < RetryPolicy().attempts
