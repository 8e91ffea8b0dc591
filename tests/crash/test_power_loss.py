"""With --durability full a power cut at any moment breaks no promise, whatever the disk had not written yet.

Two runs are recorded, of a catalogue and of what it changed into; then every state that a cut may leave is
laid out and judged. What a run that leaves the syncs out would lose is found in the same way.
"""

import json
import random
import shutil
import sys
from contextlib import ExitStack, suppress

import pytest

from mlhub_async.storage.ledger.ledger import Ledger
from mlhub_async.storage.local.store import LocalStore
from support.command import Program
from support.disk_recording import AmbiguousError, Disk
from support.kill_loop import LAUNCH
from support.oracle import Offered, flaws
from support.power_cut import Bench, PowerCuts
from support.server import Background, tif
from support.stac_server import stac_item, static_catalog
from support.strace import can_trace, strace

SIZES = {"a": 3000, "b": 300_000}
"""One that is kept in memory until it is whole, and one that has a partial file."""


class Recording:
    """What `program` did to `dest` in two runs, and the server that it is asked of again."""

    def __init__(self, place, sites, mutant):
        self.site, self.offered, self.mutant = sites.site(), Offered(), mutant
        self.base, self.place = place / "base", place
        (place / "home").mkdir()
        self.base.mkdir()
        self.program = Program(place / "home")
        self.disk = Disk(self.base)
        for version in (1, 2):
            self.url = self.publish(version)
            trace = place / f"trace{version}"
            assert self.run(self.base / "dest", *strace(trace)).code == 0
            self.disk.replay(trace)

    def publish(self, version):
        items = []
        for name, size in SIZES.items():
            body = tif(size, version * 100 + ord(name))
            self.offered.add(f"c1/{name}/data.tif", body)
            href = self.site.put(f"/{name}.tif", body, etag=f'"{version}"')
            items.append(stac_item(name, data=href, properties={"updated": f"202{version}-01-01T00:00:00Z"}))
        return static_catalog(self.site, items)

    def run(self, dest, *under):
        words = ("mirror", self.url, dest, "-q", "--durability", "full")
        return self.program.start_raw(*under, sys.executable, LAUNCH, self.mutant, *words).finish()


@pytest.fixture
def record(tmp_path):
    if not can_trace():
        pytest.skip("no strace here, or no right to trace")
    with ExitStack() as stack:
        sites = stack.enter_context(Background())

        def recorded(mutant):
            for number in range(3):
                place = tmp_path / str(number)
                place.mkdir()
                with suppress(AmbiguousError):
                    recording = Recording(place, sites, mutant)
                    break
            stack.callback(recording.program.close)
            return recording

        yield recorded


def judged(recording):
    """The states in order, each with what is wrong with it; the bench holds the one just given."""
    bench = Bench(recording.place / "bench", recording.disk.mtime_ns)
    for _, files in PowerCuts(recording.disk).all():
        bench.lay_out(files)
        yield files, flaws(bench.folder / "dest", recording.offered, after_power_cut=True)


def test_no_power_cut_breaks_a_promise_and_the_next_run_completes_what_is_left(record):
    recording = record("none")
    states = []
    for files, wrong in judged(recording):
        assert wrong == []
        states.append(files)
    assert len(states) > 300
    begun = [files for files in states if any(path.endswith(".journal") for path in files)]
    for files in [*random.Random(3).sample(states, 2), *random.Random(4).sample(begun, 2)]:
        dest = recording.place / "again"
        shutil.rmtree(dest, ignore_errors=True)
        Bench(dest, recording.disk.mtime_ns).lay_out(files)
        assert recording.run(dest / "dest").code == 0
        assert flaws(dest / "dest", recording.offered, 0) == []


def test_after_exit_0_no_power_cut_takes_anything_away(record):
    recording = record("none")
    bench = Bench(recording.place / "bench", recording.disk.mtime_ns)
    ends = list(PowerCuts(recording.disk).end())
    for files in ends:
        bench.lay_out(files)
        assert flaws(bench.folder / "dest", recording.offered, 0, after_power_cut=True) == []
    assert len(ends) > 1


@pytest.mark.parametrize(("mutant", "promise"), [("unsynced", "I1"), ("nameless", "I2")])
def test_a_program_that_leaves_a_sync_out_is_found_out(record, mutant, promise):
    assert any(words.startswith(promise) for _, wrong in judged(record(mutant)) for words in wrong)


@pytest.mark.parametrize(("size", "taken"), [(4, ["c1/a/data.tif"]), (5, [])])
async def test_a_line_of_the_journal_is_believed_only_where_its_file_is(tmp_path, size, taken):
    """The disk may have kept the line and not the file that it speaks of."""
    file = tmp_path / "c1/a/data.tif"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"four")
    facts = [size, file.stat().st_mtime_ns, "00", "size", "", "", "https://x.test/a", ""]
    line = json.dumps(["c1", "a", 0, "data", "c1/a/data.tif", 1, *facts])
    (tmp_path / "journal.1").write_text(line + "\n")
    ledger = Ledger(tmp_path, LocalStore(tmp_path))
    await ledger.open("here", "{}", "now")
    try:
        assert [record.path for _, record in await ledger.query(lambda book: list(book.finished()))] == taken
    finally:
        await ledger.close()


def test_a_descriptor_that_another_thread_gets_while_it_is_closed_is_that_of_its_new_file(tmp_path):
    def path(name):
        return '"' + "".join(f"\\x{byte:02x}" for byte in bytes(tmp_path / "base" / name)) + '"'

    (tmp_path / "base").mkdir()
    disk = Disk(tmp_path / "base")
    for name in ("a", "b"):
        (tmp_path / "base" / name).touch()
    lines = [
        f"1 openat(AT_FDCWD, {path('a')}, O_WRONLY|O_CREAT, 0666) = 7",
        "1 close(7 <unfinished ...>",
        f"2 openat(AT_FDCWD, {path('b')}, O_WRONLY|O_CREAT, 0666) = 7",
        "1 <... close resumed>) = 0",
        r'2 write(7, "\x61", 1) = 1',
    ]
    trace = tmp_path / "trace"
    trace.write_text("\n".join(lines) + "\n")
    disk.replay(trace)
    assert [op.data for op in disk.ops if op.data] == [b"a"]
