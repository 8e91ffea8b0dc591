"""Killed at a chosen system call: every sort of call that changes the disk, at places spread over the run.

A mirror of one catalogue is there; the run that brings it up to the next is killed, judged, completed.
`MLHUB_PROOF=long` tries twenty times as many places.
"""

import os
import re
import shutil
from collections import Counter, defaultdict

import pytest

from support.mirrored import asset_requests
from support.oracle import Offered, flaws, litter
from support.server import tif
from support.stac_server import stac_item, static_catalog
from support.strace import can_trace

SIZES = {"a": 3000, "b": 300_000, "c": 300, "d": 20_000}
CALLS = ("openat", "write", "pwrite64", "renameat", "unlink", "fsync")
STRACE = ("strace", "-f")
LONG = os.environ.get("MLHUB_PROOF") == "long"
PLACES = 20 if LONG else 1
pytestmark = pytest.mark.skipif(not can_trace(), reason="no strace here, or no right to trace")


class Sweep:
    """A finished mirror of version 1, kept aside, and a server that has version 2 of everything."""

    def __init__(self, run_cli, site, place, durability):
        self.run_cli, self.site, self.place = run_cli, site, place
        self.dest, self.first = place / "dest", place / "first"
        self.words = ("--durability", durability, "-q")
        self.offered = Offered()
        self.publish(1)
        assert run_cli("mirror", self.url, self.first, *self.words).code == 0
        self.publish(2)

    def publish(self, version):
        items = []
        for name, size in SIZES.items():
            body = tif(size + version, version * 100 + ord(name))
            self.offered.add(f"c1/{name}/data.tif", body)
            href = self.site.put(f"/{name}.tif", body, etag=f'"{version}"')
            items.append(stac_item(name, data=href, properties={"updated": f"202{version}-01-01T00:00:00Z"}))
        self.url = static_catalog(self.site, items)

    def run(self, *under):
        return self.run_cli("mirror", self.url, self.dest, *self.words, under=under)

    def begin_again(self):
        shutil.rmtree(self.dest, ignore_errors=True)
        shutil.copytree(self.first, self.dest)  # mtimes too: the ledger knows them

    def places(self):
        """(call, number): spread over what the busiest thread does of each call once it has come to DEST."""
        self.begin_again()
        trace = self.place / "trace"
        assert self.run(*STRACE, "-y", "-o", trace, "-e", f"trace={','.join(CALLS)}").code == 0
        numbers, found = Counter(), defaultdict(set)
        for line in trace.read_text().splitlines():
            if match := re.match(r"(\d+) +(\w+)\(", line):
                numbers[match.groups()] += 1
                if "/dest" in line:
                    found[match[2]].add(numbers[match.groups()])
        for call in CALLS:
            there = sorted(found[call])
            yield from {(call, there[(2 * n + 1) * len(there) // (2 * PLACES)]) for n in range(PLACES)}

    def kill(self, call, number):
        """Before the call is made. `number` counts those of one thread."""
        inject = f"inject={call}:signal=KILL:when={number}"
        return self.run(*STRACE, "-o", "/dev/null", "-e", f"trace={call}", "-e", inject)


@pytest.mark.timeout(3000 if LONG else 600)
def test_killed_at_any_call_that_changes_the_disk_nothing_is_broken_and_a_run_completes(
    run_cli, site, tmp_path
):
    sweep = Sweep(run_cli, site, tmp_path, "full")
    killed = []
    for call, number in sweep.places():
        sweep.begin_again()
        killed.append(sweep.kill(call, number).code)
        assert flaws(sweep.dest, sweep.offered) == [], (call, number)
        assert sweep.run().code == 0
        assert flaws(sweep.dest, sweep.offered, 0) + litter(sweep.dest) == [], (call, number)
        asked = len(asset_requests(site))
        assert not LONG or (sweep.run().code == 0 and len(asset_requests(site)) == asked)
    assert len(killed) >= PLACES * len(CALLS) * 0.7
    assert killed.count(-9) >= 0.8 * len(killed)  # how the threads share the work differs a little
