"""A mirror proven again without the network: whatever a disk or a hand does to it is found and told apart."""

import asyncio
import hashlib
import json
import os
import sqlite3
import sys
from threading import Event

import pytest

from mlhub_async.core.errors import StorageError, TransferError, UsageError
from mlhub_async.core.model import Asset, Job, Outcome, Proof, Record, Status
from mlhub_async.core.telemetry import Meter
from mlhub_async.engine.verify import status, verify
from mlhub_async.engine.verify.checks import file_damage
from mlhub_async.engine.verify.walk import ComparedPath, files_under
from mlhub_async.storage.ledger.claims.assignment import Claim, ClaimRequest
from mlhub_async.storage.ledger.ledger import Ledger
from mlhub_async.storage.local.store import LocalStore

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="no such file there")


class Mirror:
    """A finished mirror of `items` items with one asset each, made by the real ledger and store."""

    def __init__(self, dest):
        self.dest = dest
        self.state = dest / ".mlhub"

    def bytes_of(self, name):
        return (name * 1000).encode()

    async def make(self, *names, failed=(), ended=True, exit_code=0):
        store = LocalStore(self.dest)
        store.open()
        ledger = Ledger(self.state, store)
        await ledger.open("test", "{}", "2026-01-01T00:00:00Z")
        assets = {name: Asset(f"https://x.test/{name}", "data", name, "c") for name in (*names, *failed)}
        wanted = [
            ClaimRequest("c", name, f"c/{name}/{name}.json", [Claim(asset, f"c/{name}/data.tif", False)])
            for name, asset in assets.items()
        ]
        await ledger.claim(wanted)
        for name in names:
            await ledger.record([(self.fetched(assets[name]), assets[name].href)])
            document = json.dumps({"id": name}).encode()
            digest = hashlib.sha256(document).hexdigest()
            await ledger.record_document(("c", name, 1, ""), f"c/{name}/{name}.json", document, digest)
        for name in failed:
            error = TransferError("gone", kind="not-found")
            outcome = Outcome(Job(assets[name], f"c/{name}/data.tif"), Status.FAILED, error=error)
            await ledger.record([(outcome, assets[name].href)])
        await ledger.flush()
        self.write("catalog.json", b'{"type": "Catalog"}')
        if ended:
            await self.end(ledger, len(names), len(failed), exit_code)
        await ledger.close()
        store.close()
        return self

    async def end(self, ledger, done, failed, exit_code):
        manifest = await ledger.query(lambda statements: statements.manifest(statements.run))
        size = (await ledger.query(lambda statements: statements.count_finished(statements.run)))[1]
        await ledger.query(lambda statements: statements.end_run("2026-01-01T01:00:00Z", exit_code))
        counts = {"selected": done + failed, "verified_checksum": 0, "verified_size": done}
        self.receipt = {
            "source": "test",
            "finished": "2026-01-01T01:00:00Z",
            "listing": {"complete": True},
            "assets": {**counts, "unverifiable": 0, "failed": failed},
            "bytes": size,
            "manifest_sha256": manifest,
            "exit_code": exit_code,
        }
        self.save_receipt()

    def save_receipt(self, **changes):
        self.receipt |= changes
        (self.state / "receipt.json").write_text(json.dumps(self.receipt))

    def fetched(self, asset):
        data = self.bytes_of(asset.item)
        mtime = self.write(f"c/{asset.item}/data.tif", data)
        digest = hashlib.sha256(data).hexdigest()
        record = Record(f"c/{asset.item}/data.tif", len(data), digest, mtime, Proof.SIZE)
        return Outcome(Job(asset, record.path), Status.FETCHED, record)

    def write(self, path, data):
        target = self.dest / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return target.stat().st_mtime_ns


@pytest.fixture
async def mirror(tmp_path):
    return await Mirror(tmp_path / "dest").make("a", "b", "c")


def everything_below(root):
    return {p.relative_to(root): p.stat().st_mtime_ns for p in root.rglob("*")}


async def damage(mirror):
    found = await verify(mirror.dest)
    assert found.exit_code == (6 if found.damage else 0)
    return {one.path: one.reason for one in found.damage}


async def test_an_intact_mirror_is_proven_and_nothing_in_it_is_changed(mirror):
    before = everything_below(mirror.dest)
    found = await verify(mirror.dest)
    assert found.ok and found.damage == [] and found.foreign == []
    assert found.files == 6
    assert found.bytes == 3000 + 3 * len(b'{"id": "a"}')
    assert everything_below(mirror.dest) == before


async def test_dest_may_be_given_as_text(mirror):
    assert (await verify(str(mirror.dest))).files == 6


async def test_the_meter_counts_what_was_read(mirror):
    (mirror.dest / "c/a/data.tif").unlink()
    meter = Meter()
    await verify(mirror.dest, meter=meter)
    assert (meter.selected, meter.fetched, meter.failed) == (6, 5, 1)


async def test_every_kind_of_damage_is_found_with_its_reason(mirror):
    (mirror.dest / "c/a/data.tif").unlink()
    (mirror.dest / "c/a/a.json").write_bytes(b'{"id": "A"}')
    (mirror.dest / "c/b/data.tif").write_bytes(b"short")
    (mirror.dest / "c/b/b.json").unlink()
    (mirror.dest / "c/b/b.json").mkdir()
    (mirror.dest / "c/c/data.tif").write_bytes(b"C" * 1000)
    assert await damage(mirror) == {
        "c/a/a.json": "digest",
        "c/a/data.tif": "missing",
        "c/b/b.json": "missing",
        "c/b/data.tif": "size",
        "c/c/data.tif": "digest",
    }


async def test_a_flipped_bit_under_the_old_time_stamp_is_found(mirror):
    path = mirror.dest / "c/b/data.tif"
    about = path.stat()
    path.write_bytes(b"B" + path.read_bytes()[1:])
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert await damage(mirror) == {"c/b/data.tif": "digest"}


@posix_only
async def test_links_and_pipes_are_no_files_even_if_the_bytes_are_right(mirror):
    linked, piped = (mirror.dest / f"c/{name}/data.tif" for name in "ab")
    linked.rename(mirror.dest.parent / "copy")
    linked.symlink_to(mirror.dest.parent / "copy")
    piped.unlink()
    os.mkfifo(piped)
    (mirror.dest / "c/c").rename(mirror.dest.parent / "elsewhere")
    (mirror.dest / "c/c").symlink_to(mirror.dest.parent / "elsewhere")
    assert await damage(mirror) == {
        "c/a/data.tif": "not a regular file",
        "c/b/data.tif": "not a regular file",
        "c/c/c.json": "missing",
        "c/c/data.tif": "missing",
    }
    found = {one.path: one.detail for one in (await verify(mirror.dest)).damage}
    assert found["c/c/data.tif"].startswith("c/c is a symbolic link") and not found["c/a/data.tif"]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="this user may read everything")
async def test_what_cannot_be_read_is_damage(mirror):
    (mirror.dest / "c/a/data.tif").chmod(0)
    assert await damage(mirror) == {"c/a/data.tif": "unreadable"}


async def test_files_that_the_ledger_does_not_know_are_foreign_and_no_damage(mirror):
    names = ["c/a/data.tif.aux.xml", "c/zz", "zz", ".hidden", "c.txt", "c/a.txt", "é"]
    for name in names:
        mirror.write(name, b"mine")
    mirror.write(".mlhub/partial/x.part", b"unfinished")
    found = await verify(mirror.dest)
    assert found.ok
    assert sorted(found.foreign) == sorted(names)


async def test_the_walk_pairs_any_names_with_the_ledger(tmp_path):
    names = ["a", "a.b", "a-b", "B", "é", "\U0001f6f0", "\uffee", "z z", "a%3Ab"]
    found = await verify((await Mirror(tmp_path / "dest").make(*names)).dest)
    assert found.ok and found.files == 2 * len(names) and found.foreign == []


@pytest.mark.parametrize(
    "content, reason",
    [(None, "missing"), (b"{", "unreadable"), (b"[]", "unreadable"), (b"{}", "balance")],
)
async def test_a_receipt_that_is_lost_or_broken_proves_nothing(mirror, content, reason):
    path = mirror.state / "receipt.json"
    path.unlink() if content is None else path.write_bytes(content)
    assert await damage(mirror) == {".mlhub/receipt.json": reason}


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"manifest_sha256": "0" * 64}, "manifest"),
        ({"listing": {"complete": False}}, "balance"),
        ({"exit_code": "0"}, "balance"),
        ({"bytes": 1}, "balance"),
        ({"bytes": None}, "balance"),
        ({"exit_code": True}, "balance"),
        ({"assets": {}}, "balance"),
        ({"assets": None}, "balance"),
    ],
)
async def test_a_receipt_that_says_more_than_the_ledger_is_damage(mirror, change, reason):
    mirror.save_receipt(**change)
    assert await damage(mirror) == {".mlhub/receipt.json": reason}


async def test_a_receipt_that_claims_to_be_whole_and_is_not_is_damage(mirror):
    mirror.save_receipt(assets=mirror.receipt["assets"] | {"selected": 4, "failed": 1})
    assert await damage(mirror) == {".mlhub/receipt.json": "balance"}


@pytest.mark.parametrize("content, reason", [(None, "missing"), (b"{", "not JSON"), (b"[]", "not JSON")])
async def test_the_root_of_the_catalogue_is_part_of_the_mirror(mirror, content, reason):
    path = mirror.dest / "catalog.json"
    path.unlink() if content is None else path.write_bytes(content)
    assert await damage(mirror) == {"catalog.json": reason}


async def test_an_intact_but_incomplete_copy_is_not_called_complete(tmp_path):
    mirror = await Mirror(tmp_path / "dest").make("a", failed=["b"], exit_code=4)
    found = await verify(mirror.dest)
    assert found.damage == [] and found.exit_code == 4
    assert any("incomplete" in line for line in found.lines())


async def test_after_a_run_that_was_killed_the_files_are_checked_and_the_run_is_asked_for(mirror):
    await mirror.make("d", ended=False)
    found = await verify(mirror.dest)
    assert found.damage == [] and found.interrupted and found.exit_code == 5
    assert found.files == 8
    mirror.write("c/a/a.json", b'{"id": "newer than the ledger"}')
    assert (await verify(mirror.dest)).exit_code == 5
    mirror.write("c/a/a.json", b"{")
    mirror.write("c/d/data.tif", b"")
    found = await verify(mirror.dest)
    assert {one.path: one.reason for one in found.damage} == {
        "c/a/a.json": "not JSON",
        "c/d/data.tif": "size",
    }
    assert found.exit_code == 6


async def test_after_an_interrupted_first_run_the_catalogue_need_not_be_there_yet(tmp_path):
    mirror = await Mirror(tmp_path / "dest").make("a", exit_code=130)
    (mirror.dest / "catalog.json").unlink()
    found = await verify(mirror.dest)
    assert found.damage == [] and found.exit_code == 130


async def test_what_only_the_journal_knows_is_verified_too_and_the_journal_stays(mirror):
    """As a run leaves it that was killed between the journal's line and the database's commit."""
    mirror.write("c/late/data.tif", b"late")
    digest = hashlib.sha256(b"late").hexdigest()
    row = ["c", "late", 0, "data", "c/late/data.tif", 1, 4, 0, digest, "size", "", "", "https://x.test/l", ""]
    (mirror.state / "journal.0").write_text(json.dumps(row) + "\n[torn")
    before = everything_below(mirror.dest)
    found = await verify(mirror.dest)
    assert found.damage == [] and found.foreign == [] and found.files == 7
    assert everything_below(mirror.dest) == before
    mirror.write("c/late/data.tif", b"LATE")
    assert {one.path: one.reason for one in (await verify(mirror.dest)).damage} == {
        "c/late/data.tif": "digest"
    }


async def test_a_ledger_that_is_in_use_is_read_beside_its_user(mirror):
    with sqlite3.connect(mirror.state / "ledger.sqlite") as database:
        database.execute("UPDATE file SET size=size")
        database.commit()
        assert (await verify(mirror.dest)).ok
    database.close()


async def test_a_broken_ledger_is_damage(mirror):
    path = mirror.state / "ledger.sqlite"
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    assert await damage(mirror) == {".mlhub/ledger.sqlite": "unreadable"}


@pytest.mark.parametrize("read", [verify, status])
async def test_where_no_mirror_is_that_is_said(tmp_path, read):
    with pytest.raises(UsageError, match="no mirror at"):
        found = read(tmp_path)
        await found


@pytest.mark.parametrize("read", [verify, status])
async def test_the_ledger_of_a_newer_program_is_left_alone(mirror, read):
    with sqlite3.connect(mirror.state / "ledger.sqlite") as database:
        database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(UsageError, match="newer"):
        found = read(mirror.dest)
        await found


async def test_a_verification_can_be_cancelled_in_the_middle_of_a_large_file(tmp_path):
    mirror = await Mirror(tmp_path / "dest").make("a")
    with sqlite3.connect(mirror.state / "ledger.sqlite") as database:
        database.execute("UPDATE file SET size=? WHERE role=0", (1 << 36,))
    database.close()
    os.truncate(mirror.dest / "c/a/data.tif", 1 << 36)
    task = asyncio.create_task(verify(mirror.dest))
    await asyncio.sleep(0.03)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 60)


async def test_lines_for_people_hold_no_escape_sequences(mirror):
    mirror.write("\x1b]0;x\x07", b"")
    (mirror.dest / "c/a/data.tif").unlink()
    lines = list((await verify(mirror.dest)).lines())
    assert lines[0] == "c/a/data.tif: missing"
    assert all(line.isprintable() for line in lines)
    assert lines[-1] == "6 files, 3.0 KiB read: 1 damaged"


async def test_a_verification_for_programs_is_json(mirror):
    (mirror.dest / "c/a/data.tif").write_bytes(b"")
    said = json.loads(json.dumps((await verify(mirror.dest)).as_json()))
    assert said["exit_code"] == 6 and said["files"] == 6
    assert said["damage"] == [{"path": "c/a/data.tif", "reason": "size", "detail": "0 bytes, should be 1000"}]


async def test_status_counts_by_collection_and_by_class_of_failure(tmp_path):
    mirror = await Mirror(tmp_path / "dest").make("a", "b", failed=["x"], exit_code=4)
    report = status(mirror.dest)
    one = report.collections["c"]
    assert (one.done, one.failed, one.planned, one.bytes) == (2, 1, 0, 2000)
    assert report.failures == {"not-found": 1}
    assert list(report.lines()) == [
        "c: 2 done, 1 failed, 0 to do, 2.0 KiB",
        "failed, not-found: 1",
        "last run ended 2026-01-01T01:00:00Z with exit code 4, source test",
    ]
    assert json.loads(json.dumps(report.as_json()))["receipt"] == mirror.receipt


async def test_status_says_that_the_last_run_did_not_end(mirror):
    await mirror.make("d", ended=False)
    (mirror.state / "receipt.json").write_text("{")
    report = status(mirror.dest)
    assert report.interrupted and report.receipt is None
    assert list(report.lines())[-1] == "the last run was interrupted or is still going on"


async def test_status_counts_what_is_still_to_do_and_names_a_broken_ledger(mirror):
    with sqlite3.connect(mirror.state / "ledger.sqlite") as database:
        database.execute("UPDATE file SET state=0 WHERE item='a'")
    database.close()
    assert next(status(mirror.dest).lines()) == "c: 2 done, 0 failed, 1 to do, 2.0 KiB"
    (mirror.state / "ledger.sqlite").write_bytes(b"no database" * 500)
    with pytest.raises(StorageError, match="broken"):
        status(mirror.dest)


async def test_a_receipt_that_cannot_be_read_is_damage(mirror):
    (mirror.state / "receipt.json").unlink()
    (mirror.state / "receipt.json").mkdir()
    assert await damage(mirror) == {".mlhub/receipt.json": "unreadable"}


@posix_only
async def test_a_link_in_place_of_the_root_of_the_catalogue_is_not_followed(mirror):
    root = mirror.dest / "catalog.json"
    root.rename(mirror.dest.parent / "catalog.json")
    root.symlink_to(mirror.dest.parent / "catalog.json")
    assert await damage(mirror) == {"catalog.json": "unreadable"}


async def test_a_file_without_a_known_digest_is_compared_by_size_and_counted(mirror):
    with sqlite3.connect(mirror.state / "ledger.sqlite") as database:
        database.execute("UPDATE file SET sha256='' WHERE item='a' AND role=0")
    database.close()
    mirror.write("c/a/data.tif", b"A" * 1000)
    found = await verify(mirror.dest)
    assert found.unhashed == 1
    assert {one.path: one.reason for one in found.damage} == {".mlhub/receipt.json": "manifest"}
    assert any("by size only" in line for line in found.lines())


async def test_an_interrupted_run_is_told_in_words(mirror):
    await mirror.make("d", ended=False)
    mirror.write("mine", b"")
    lines = list((await verify(mirror.dest)).lines())
    assert lines[0] == "1 files are not part of the mirror, e.g. mine"
    assert "run it again" in lines[1]


@posix_only
def test_what_changes_between_the_walk_and_the_reading_is_damage_too(tmp_path):
    compared = ComparedPath("x", 0, Record("x", 1, "0" * 64, 0, Proof.SIZE), True)
    assert file_damage(tmp_path, compared, Event()).reason == "unreadable"
    (tmp_path / "x").mkdir()
    assert file_damage(tmp_path, compared, Event()).reason == "unreadable"
    (tmp_path / "x").rmdir()
    os.mkfifo(tmp_path / "x")
    assert file_damage(tmp_path, compared, Event()).reason == "not a regular file"


def test_a_directory_that_is_gone_holds_nothing(tmp_path):
    assert list(files_under(tmp_path / "gone")) == []
