"""The libraries that unpack gzip are told apart by their speed only."""

import gzip
import importlib
import sys
import zlib

import pytest

from mlhub_async.core.formats.archives import inflate
from mlhub_async.core.formats.archives.errors import ArchiveCut, ArchiveDefect
from mlhub_async.sources.files.archives.tar.unpacked import UnpackedMembers
from mlhub_async.sources.files.archives.tar.unpacker import Unpacker
from support.archives import in_several_members, tarred

FILES = {f"a/{number}.tif": bytes([number]) * 3_000 for number in range(9)}
TAR = tarred(FILES)


@pytest.fixture(params=["zlib", "zlib_ng.zlib_ng"], autouse=True)
def library(request, monkeypatch):
    pytest.importorskip(request.param)
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "zlib_ng.zlib_ng", None)
    inflate.library.cache_clear()
    yield importlib.import_module(request.param)
    inflate.library.cache_clear()


def unpacked(folder, data, step=1_000):
    members = UnpackedMembers(folder, keeps_data=True)
    unpacker = Unpacker(members)
    try:
        for at in range(0, len(data), step):
            for batch in unpacker.decoded(data[at : at + step]):
                unpacker.store(batch)
        for batch in unpacker.rest():
            unpacker.store(batch)
        unpacker.finish()
        members.finish()
        return {name: b"".join(members.pieces(member)) for name, member in members.members()}
    finally:
        members.close()


def with_byte(data, at, change=1):
    return data[:at] + bytes([data[at] ^ change]) + data[at + 1 :]


def test_the_library_that_is_installed_is_used(library):
    assert inflate.library() is library


@pytest.mark.parametrize("step", [7_000, 100_000, 1])
@pytest.mark.parametrize(
    "packed",
    [gzip.compress(TAR), in_several_members(TAR), gzip.compress(TAR) + bytes(700), gzip.compress(TAR, 0)],
    ids=["one member", "several", "padding", "stored"],
)
def test_whole_archives_are_unpacked(tmp_path, packed, step):
    assert unpacked(tmp_path, packed, step) == FILES


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda packed: with_byte(packed, len(packed) - 8), "damaged compressed data"),
        (lambda packed: with_byte(packed, len(packed) - 1), "damaged compressed data"),
        (lambda packed: with_byte(packed, 10, 6), "damaged"),
        (lambda packed: packed + b"rest that is no gzip", "damaged compressed data"),
    ],
    ids=["CRC", "length", "block", "rest"],
)
def test_damage_is_a_defect(tmp_path, change, message):
    for number, packed in enumerate((gzip.compress(TAR), in_several_members(TAR))):
        (tmp_path / f"{number}").mkdir()
        with pytest.raises(ArchiveDefect, match=message) as raised:
            unpacked(tmp_path / f"{number}", change(packed))
        assert not isinstance(raised.value, ArchiveCut)


def test_a_trailer_that_was_cut_is_a_cut(tmp_path):
    packed = gzip.compress(TAR)
    for left_out in range(1, 9):
        (tmp_path / f"{left_out}").mkdir()
        with pytest.raises(ArchiveCut, match="compressed data"):
            unpacked(tmp_path / f"{left_out}", packed[:-left_out])


def test_both_count_alike(library):
    assert library.crc32(TAR) == zlib.crc32(TAR)
    decoder = library.decompressobj(-zlib.MAX_WBITS)
    raw = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = raw.compress(TAR) + raw.flush()
    assert decoder.decompress(packed, 1_000) == TAR[:1_000] and not decoder.eof
    assert decoder.decompress(decoder.unconsumed_tail + b"more") == TAR[1_000:]
    assert decoder.eof and decoder.unused_data == b"more"
