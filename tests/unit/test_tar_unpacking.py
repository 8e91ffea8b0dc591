"""A tar archive is unpacked in two threads, which lose no byte and no failure of each other."""

import asyncio
import errno
import gzip
import hashlib
import os
import random
import threading

import pytest

from mlhub_async.core.formats.archives.errors import ArchiveDefect
from mlhub_async.core.formats.archives.tar_stream import is_tar
from mlhub_async.http.decoding.decoders import Decoder, gzip_member
from mlhub_async.sources.files.archives.tar.data_files import SMALL_BYTES
from mlhub_async.sources.files.archives.tar.unpacked import UnpackedMembers
from mlhub_async.sources.files.archives.tar.unpacker import MAX_WAITING_BYTES, Unpacker, UnpackingThreads
from support.archives import in_several_members, tarred

FILES = {f"a/{number}.bin": random.Random(number).randbytes(60_000) for number in range(40)}
TAR = gzip.compress(tarred(FILES), 1)
PIECES = [TAR[at : at + 100_000] for at in range(0, len(TAR), 100_000)]


@pytest.fixture
def members(tmp_path):
    made = UnpackedMembers(tmp_path, keeps_data=True)
    yield made
    made.close()


def content(members):
    members.finish()
    return {name: b"".join(members.pieces(one)) for name, one in members.members()}


async def test_a_wait_that_is_cancelled_loses_no_bytes(members, monkeypatch):
    waiting, go_on, end = threading.Event(), threading.Event(), members.end

    def blocked_end():
        waiting.set()
        go_on.wait()
        end()

    monkeypatch.setattr(members, "end", blocked_end)
    threads = UnpackingThreads(Unpacker(members))
    pieces = iter(PIECES)

    async def take(piece):
        if (busy := threads.take(piece)) is not None:
            await busy

    async def take_all():
        for piece in pieces:
            await take(piece)

    taking = asyncio.ensure_future(take_all())
    await asyncio.to_thread(waiting.wait)
    taking.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await taking
    await take_all()
    await threads.finish()
    await threads.close()
    assert content(members) == FILES


async def test_what_storing_raises_ends_the_reading_and_nothing_waits_for_ever(members, monkeypatch):
    def full():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(members, "end", full)
    threads = UnpackingThreads(Unpacker(members))
    assert sum(map(len, PIECES)) > 3 * MAX_WAITING_BYTES
    with pytest.raises(OSError, match="No space left"):
        for piece in PIECES:
            if (busy := threads.take(piece)) is not None:
                await busy
        await threads.finish()
    await threads.close()


async def test_what_decoding_raises_is_raised_and_what_came_before_it_is_stored(members):
    damaged = TAR[:-8] + bytes(8)
    threads = UnpackingThreads(Unpacker(members))
    threads.take(damaged)
    with pytest.raises(ArchiveDefect, match="damaged compressed data"):
        await threads.finish()
    await threads.close()
    assert set(content(members)) <= set(FILES)


def test_pieces_are_never_larger_than_asked_for_and_all_bytes_come():
    data = bytes(3_000_000) + random.Random(1).randbytes(50_000)
    for packed in (gzip.compress(data), in_several_members(data), gzip.compress(data) + bytes(600)):
        for step in (len(packed), 999, 64 << 10):
            decoder = Decoder(gzip_member)
            pieces = [
                piece
                for at in range(0, len(packed), step)
                for piece in decoder.pieces(packed[at : at + step], 10_000)
            ]
            assert b"".join(pieces) == data and decoder.ended
            assert max(map(len, pieces)) <= 10_000


def test_files_are_as_their_digests_say_also_where_the_disk_takes_a_part_at_a_time(members, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, memoryview(data)[:30_000]))
    bodies = {"large.bin": random.Random(2).randbytes(SMALL_BYTES + 70_000), "small.bin": b"s" * 40_000}
    unpacker = Unpacker(members)
    for batch in (*unpacker.decoded(tarred(bodies)), *unpacker.rest()):
        unpacker.store(batch)
    unpacker.finish()
    members.finish()
    for name, body in bodies.items():
        file = members.file(members.member(name))
        assert (file.size, file.begin, file.sha256) == (
            len(body),
            body[:256],
            hashlib.sha256(body).hexdigest(),
        )
        with open(file.path, "rb") as opened:
            assert opened.read() == body and os.fstat(opened.fileno()).st_mtime_ns == file.mtime_ns


@pytest.mark.parametrize("fill", [0x00, 0x7F, 0xFF])
def test_the_checksum_of_a_head_is_the_sum_of_its_bytes(fill):
    for number in (0, 148, 155, 255, 256, 511):
        block = bytearray([fill]) * 512
        block[number] = 1
        total = sum(block[:148]) + 8 * 32 + sum(block[156:])
        for off in (0, 1, 65_521 % total):
            block[148:156] = b"%07o\0" % (total + off)
            assert is_tar(bytes(block)) == (off == 0 or total + off == total)
