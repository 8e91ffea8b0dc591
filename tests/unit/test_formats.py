"""Structure checks: complete files pass, truncated ones are found, hostile ones cost bounded work."""

import gzip
import io
import random
import struct
import zipfile

import pytest

from mlhub_async.core.formats import IntrinsicFlaw, flaw
from mlhub_async.core.formats.checks import archives, compressed, netcdf, reader, tiff
from mlhub_async.core.formats.checks import documents as json_format
from support.machine_speed import cpu_seconds_below
from support.samples import BETWEEN_PARTS, PADDED, SAMPLES, UNCHECKED, UNDECODED
from support.server import noise, tif


def found_in(data, name="", media_type=None):
    return flaw(io.BytesIO(data), f"c/i/{name}", media_type)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_complete_file_passes(name):
    assert found_in(SAMPLES[name], name) is None


VALUES = {
    "bytes of white": b"\xff" * 5000,
    "no data, then values": b"\xff\xff\xff\xff" + b"\x07" * 5000,
    "no data, then zeros": b"\xff\xff\xff\xff" + bytes(5000),
    "19778 as a number": b"BM" + bytes(range(200)) * 20,
    "-29921 as a number": struct.pack("<2h", -29921, 300) * 1000,
}
"""Grids without a header, and the file `timestamps` of a file geodatabase: they begin as other formats do."""


@pytest.mark.parametrize(
    "path", ["image.bsq", "image.img", "scene.raw", "grid.flt", "timestamps", "a.gdbtable"]
)
@pytest.mark.parametrize("name", VALUES)
def test_values_without_a_header_are_no_other_format(path, name):
    assert found_in(VALUES[name], path) is None


@pytest.mark.parametrize("name", ["a.arrow", "a.bmp", "a.gz"])
def test_a_declared_format_whose_signature_is_there_alone_is_damaged(name):
    begin = {"a.arrow": VALUES["bytes of white"], "a.bmp": VALUES["19778 as a number"]}
    assert found_in(begin.get(name, VALUES["-29921 as a number"]), name) is not None


@pytest.mark.parametrize("name", sorted(SAMPLES.keys() - UNCHECKED))
def test_a_truncated_file_is_found(name):
    data = SAMPLES[name]
    end = len(data) - PADDED.get(name, 0) - UNDECODED.get(name, 0)
    cuts = {*range(0, end, max(end // 100, 1)), *range(max(end - 20, 0), end)} - BETWEEN_PARTS.get(
        name, set()
    )
    assert [cut for cut in cuts if found_in(data[:cut], name) is None] == []


END_AT_THEIR_LAST_BYTE = (
    ".arrow",
    ".feather",
    "json",
    ".npy",
    ".orc",
    ".parquet",
    ".sqlite",
    ".gpkg",
    ".tar",
)
END_AT_THEIR_LAST_BYTE += (".avif", ".jxl", ".bz2", ".xz", ".zst", "unindexed.fgb")


@pytest.mark.parametrize("name", [name for name in SAMPLES if not name.endswith(END_AT_THEIR_LAST_BYTE)])
def test_bytes_behind_the_end_are_accepted(name):
    assert found_in(SAMPLES[name] + b"\0" * 7, name) is None


@pytest.mark.parametrize("name", ["strips.tif", "boxes.jp2", "latest.h5", "members.zip", "baseline.jpg"])
def test_a_file_is_checked_by_the_format_of_its_first_bytes(name):
    for other in (name, "x.tif", "x.png", "no-suffix"):
        assert found_in(SAMPLES[name], other) is None
        assert found_in(SAMPLES[name][:-20], other)


@pytest.mark.parametrize(
    ("data", "name", "media_type", "message"),
    [
        (b"", "a.tif", None, "it is empty"),
        (b"", "labels.geojson", None, "it is empty"),
        (b"", "a", "image/jp2", "it is empty"),
        (b"", "a.csv", None, None),
        (b"", "a.txt", None, None),
        (b"", "a", None, None),
        (noise(100), "a.tif", None, "it does not begin as TIFF does"),
        (noise(100), "a", "image/png", "it does not begin as PNG does"),
        (noise(100), "a.xyz", None, None),
        (noise(100), "a", None, None),
        (noise(100), "a.onnx", None, None),
        (noise(100), "a.npy", None, "it does not begin as NumPy does"),
        (noise(100), "family_00001.h5", None, None),
        (noise(100), "split-r.h5", None, None),
        (noise(100), "S2_20210101.h5", None, "HDF5: its superblock is missing"),
        (SAMPLES["old.h5"][:-9], "depth.bag", None, "HDF5: its superblock says"),
        (SAMPLES["strips.tif"][:-9], "scene.tif.ovr", None, "TIFF: strip or tile"),
        (SAMPLES["boxes.jp2"][:-9], "scene.jph", None, "JPEG 2000: "),
        (noise(100), "a.nc", None, "HDF5: its superblock is missing"),
        (b"\0\0\1\0\2\0" + noise(100), "a.onnx", "image/tiff", None),
        (b"\x0e\x03\x13\x01\0\1\0\0\0\0" + noise(3), "a.hdf", "application/x-hdf5", "HDF4: its list"),
        (b"PARENT_DIRECTORY\n----------------\n", "notes.rst", None, None),
        (b"FEA1 and FEA2 are models\n", "notes.txt", None, None),
        (
            b"\x93NUMPY\1\0\x46\0" + b"{'descr': '<f8', 'shape': (2L,)}".ljust(70) + bytes(16),
            "a.npy",
            None,
            None,
        ),
        (b"ORCID;name\n1;x\n", "people.csv", None, None),
        (b"BMI of all people", "notes.txt", None, None),
        (b"GRIB is the format", "notes", None, None),
        (SAMPLES["strips.tif"][:99], "unknown.ndpi", None, None),
        (b"id,label\n1,2\n", "table.csv.gz", None, None),
        (b"{", "labels.geojson", None, "JSON: it is not JSON"),
        (b"not here", "labels.geojson", None, "JSON: it is not JSON"),
    ],
)
def test_a_declared_format_must_be_met_and_no_other(data, name, media_type, message):
    found = found_in(data, name, media_type)
    assert (found or "").startswith(message) if message else found is None


def directory(order, *tags, following=0):
    """A classic TIFF directory; each tag is (number, type, count, value)."""
    entries = b"".join(struct.pack(f"{order}HHII", *tag) for tag in tags)
    return struct.pack(f"{order}H", len(tags)) + entries + struct.pack(f"{order}I", following)


def classic(*tags, following=0, order="<", rest=b""):
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    return head + directory(order, *tags, following=following) + rest


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (classic((273, 4, 1, 0), (279, 4, 1, 0)), None),
        (classic((273, 4, 1, 9), (279, 4, 1, 9)), None),
        (classic((273, 4, 1, 30), (279, 4, 1, 9)), "strip or tile 0 goes on to byte 39 of 38"),
        (classic((324, 4, 1, 30), (325, 4, 1, 9), order=">"), "strip or tile 0 goes on to byte 39 of 38"),
        (classic((273, 4, 1, 99)), "strip or tile 0 goes on to byte 99 of 26"),
        (classic((273, 4, 1, 99), (259, 3, 1, 6)), None),
        (classic((273, 2, 1, 99)), None),
        (classic((273, 3, 2, 0)), None),
        (classic((273, 4, 9, 0)), "a list of strips or tiles goes on to byte 36 of 26"),
        (classic((273, 4, 0xFFFFFFFF, 0xFFFFFFFF)), "a list of strips or tiles goes on to byte"),
        (classic((270, 2, 100, 8)), "the value of tag 270 goes on to byte 108 of 26"),
        (classic((34735, 3, 50, 8)), "the value of tag 34735 goes on to byte 108 of 26"),
        (classic((65000, 2, 100, 8)), None),
        (classic((256, 4, 1, 1), following=8), "its directories form a loop at byte 8"),
        (classic((330, 13, 1, 8)), None),
        (classic((330, 4, 1, 7777)), "a directory goes on to byte 7779 of 26"),
        (classic((256, 4, 1, 1), following=7777), "a directory goes on to byte 7779 of 26"),
        (classic(), "its directory at byte 8 has 0 entries"),
        (b"II*\0\0\0\0\0", "it has no directory"),
        (b"II+\0\7\0\0\0" + bytes(8), "its offsets have 7 bytes"),
        (b"II+\0\x08\0\0\0" + b"\xff" * 8, "a directory goes on to byte"),
        (b"II+\0\x08\0\0\0\x10" + bytes(7) + b"\xff" * 8 + bytes(40), "has 18446744073709551615 entries"),
    ],
)
def test_all_pointers_of_a_tiff_lead_into_the_file(data, message):
    found = tiff.check_tiff(io.BytesIO(data))
    assert message in found if message else found is None


def test_long_lists_of_strips_are_checked_to_their_end():
    number = (1 << 16) + 3
    tags = ((273, 4, number, 38), (279, 4, number, 38 + 4 * number))
    places, sizes = [40] * number, [1] * number
    good = classic(*tags, rest=struct.pack(f"<{2 * number}I", *places, *sizes))
    assert tiff.check_tiff(io.BytesIO(good)) is None
    places[-1] = len(good)
    bad = classic(*tags, rest=struct.pack(f"<{2 * number}I", *places, *sizes))
    assert f"strip or tile {number - 1} " in tiff.check_tiff(io.BytesIO(bad))


def test_a_truncated_image_of_the_test_server_is_found():
    assert found_in(tif(5000), "a.tif") is None and found_in(tif(5000)[:-1], "a.tif")


@pytest.mark.parametrize(
    ("name", "offset", "replacement", "message"),
    [
        ("plain.png", 20, b"\xff", "PNG: its header is damaged"),
        ("plain.png", 37, b"\0", "PNG: the chain of its chunks is damaged at byte 33"),
        ("plain.png", 33, b"\x7f", "goes on to byte"),
        ("baseline.jpg", 20, b"\0\0", "JPEG: its header is damaged"),
        ("baseline.jpg", 3, b"\xd9", "JPEG: it ends before any image"),
        ("boxes.jp2", 0, b"\0\0\0\x0c", None),
        ("boxes.jp2", 12, b"\0\0\0\2", "JPEG 2000: the chain of its boxes is damaged at byte 12"),
        ("boxes.jp2", 12, b"\0\0\0\0", "JPEG 2000: it has no image"),
        ("codestream.j2k", 4, b"\0\0", "JPEG 2000: its header is damaged"),
        ("members.zip", -22, b"????", "ZIP: its end record is missing"),
        ("members.zip", -6, b"\xff\xff", "ZIP: its central directory does not fit"),
        ("table.csv.gz", 20, b"\xff\xff\xff", "gzip: it cannot be decompressed"),
        ("table.parquet", -8, b"\xff\xff", "Parquet: its footer of 65"),
        ("table.parquet", -8, b"\0\0\0\0", "Parquet: its footer of 0"),
        ("latest.h5", 9, b"\3", "HDF5: its addresses have 3 bytes"),
        ("latest.h5", 36, b"\xff\xff", "HDF5: its root is at byte"),
        ("old.h5", 40, b"\xff" * 8, None),
        ("old.h5", 8, b"\x09", None),
        ("one.nc", 8, b"\0\0\0\x0f", "NetCDF: its header is damaged"),
        ("one.nc", 4, b"\0\0\1\0", "NetCDF: a variable goes on to byte"),
        ("one.nc", 4, b"\xff" * 4, None),
        ("page.pdf", -6, b"??????", "PDF: its end marker is missing"),
    ],
)
def test_the_message_names_the_damaged_part(name, offset, replacement, message):
    data = bytearray(SAMPLES[name])
    offset %= len(data)
    data[offset : offset + len(replacement)] = replacement
    found = found_in(bytes(data), name)
    assert message in (found or "nothing") if message else found is None


def many_members(method, number=3):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for n in range(number):
            archive.writestr(f"{n}.bin", noise(500, n))
    return file.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_a_spoilt_byte_of_a_zip_member_is_found(method):
    data = many_members(method)
    assert found_in(data, "a.zip") is None
    spoilt = data[:800] + bytes([data[800] ^ 1]) + data[801:]
    found = found_in(spoilt, "a.zip")
    assert found in ("ZIP: the CRC of a member is wrong",) or "cannot be decompressed" in found
    assert isinstance(found, IntrinsicFlaw)


def test_a_zip_member_of_a_method_that_is_not_looked_into_passes():
    data = many_members(zipfile.ZIP_LZMA)
    assert found_in(data[:800] + bytes([data[800] ^ 1]) + data[801:], "a.zip") is None


def test_a_zip_member_at_a_wrong_offset_is_found():
    data = SAMPLES["members.zip"]
    assert "no member begins at byte 0" in found_in(b"PK\3\4"[:0] + b"PK\5\6" + data[4:], "a.zip")
    entry = data.index(b"PK\1\2")
    beyond = data[: entry + 20] + struct.pack("<I", 5000) + data[entry + 24 :]
    assert "behind the last one's end" in found_in(beyond, "a.zip")


@pytest.mark.parametrize(("version", "offset"), [(0, 24), (1, 28), (2, 12), (3, 12)])
@pytest.mark.parametrize(("width", "code"), [(4, "I"), (8, "Q")])
def test_the_end_address_of_every_superblock_version_is_checked(version, offset, width, code):
    def made(end):
        head = bytearray(200)
        head[:9] = netcdf.SIGNATURE + bytes([version])
        head[13 if version < 2 else 9] = width
        undefined = (1 << 8 * width) - 1
        head[offset : offset + 4 * width] = struct.pack(f"<4{code}", 0, undefined, end, undefined)
        return io.BytesIO(head)

    assert netcdf.check_hdf5(made(200)) is None
    assert netcdf.check_hdf5(made(201)) == "its superblock says that it ends at byte 201, but there are 200"


def test_all_members_of_a_gzip_file_are_checked():
    many = b"".join(gzip.compress(noise(3000, n)) for n in range(100))
    assert found_in(many, "a.gz") is None
    assert found_in(many[:-1], "a.gz") == "gzip: it ends in the middle of a member"
    assert found_in(many[:-6] + b"\0" + many[-5:], "a.gz").startswith("gzip: it cannot be decompressed")


def test_highly_compressed_data_is_decompressed_to_its_end():
    data = gzip.compress(bytes(5 << 20))
    assert found_in(data, "a.gz") is None
    assert found_in(data[:-9], "a.gz") == "gzip: it ends in the middle of a member"


def test_of_a_large_json_document_both_ends_are_checked(monkeypatch):
    monkeypatch.setattr(json_format, "MAX_PARSED_BYTES", 10)
    assert found_in(b' {"a": [1, 2, 3]}\n\n', "a.json") is None
    assert found_in(b'{"a": [1, 2, 3]', "a.json") == "JSON: it ends in the middle of its JSON"


# Files of a hostile server


def ifd_loop():
    return classic((330, 4, 1 << 14, 26), rest=struct.pack("<I", 8) * (1 << 14))


def ifd_chain():
    each = (directory("<", (256, 4, 1, 1), following=8 + 18 * (n + 1)) for n in range(80_000))
    return b"II*\0\x08\0\0\0" + b"".join(each)


def ifds_that_share_data():
    each = (
        directory("<", (273, 4, 200_000, 8), (279, 4, 200_000, 8), following=800_008 + 30 * (n + 1))
        for n in range(500)
    )
    return b"II*\0" + struct.pack("<I", 800_008) + bytes(800_000) + b"".join(each)


def variables_of_huge_rank():
    wide = b"CDF\5" + bytes(8) + struct.pack(">IQ", 10, 1) + struct.pack(">QQ", 0, (1 << 64) - 1)
    rank = struct.pack(">Q", 1024) + bytes(8 * 1024)
    variable = struct.pack(">Q", 0) + rank + bytes(12) + struct.pack(">IQQ", 6, 0, 0)
    return wide + bytes(12) + struct.pack(">IQ", 11, 200) + variable * 200


def many_entries():
    entry = b"PK\1\2" + bytes(42)
    number = 300_000
    end = struct.pack("<IIH", len(entry) * number, 4, 0)
    return b"PK\3\4" + entry * number + b"PK\5\6" + bytes(8) + end


def zip_bomb():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(20):
            archive.writestr(f"{n}", bytes(4 << 20))
    return file.getvalue()


BOMBS = {
    "loop.tif": ifd_loop,
    "chain.tif": ifd_chain,
    "shared.tif": ifds_that_share_data,
    "huge.nc": variables_of_huge_rank,
    "dimensions.nc": lambda: b"CDF\1" + bytes(4) + struct.pack(">II", 10, 0xFFFFFFFF) + bytes(8_000_000),
    "rank.nc": lambda: b"CDF\1" + bytes(20) + struct.pack(">II", 11, 1) + struct.pack(">II", 0, 1 << 31),
    "fill.jpg": lambda: b"\xff\xd8" + b"\xff" * 3_000_000,
    "chunks.png": lambda: SAMPLES["plain.png"][:33] + b"\0\0\0\0aaaa\0\0\0\0" * 200_000,
    "boxes.jp2": lambda: SAMPLES["boxes.jp2"][:12] + b"\0\0\0\x08free" * 500_000,
    "parts.j2k": lambda: b"\xff\x4f" + b"\xff\x90\0\x0a\0\0\0\0\0\x0e\0\1\0\0" * 300_000,
    "records.zip": lambda: b"PK\3\4" + b"PK\5\6" * 20_000,
    "entries.zip": many_entries,
    "bomb.zip": zip_bomb,
    "members.gz": lambda: gzip.compress(b"") * 200_000,
    "bomb.gz": lambda: gzip.compress(bytes(8 << 20)) * 50,
    "blocks.gif": lambda: SAMPLES["still.gif"][:800] + b"!\xfe\1a\0" * 400_000,
    "messages.grib": lambda: SAMPLES["message.grib2"][:1171] * 2_000,
    "elements.hdf": lambda: b"\x0e\x03\x13\x01\0\0" + struct.pack(">I", 4) + bytes(90),
    "features.fgb": lambda: SAMPLES["unindexed.fgb"][: 12 + 300] + bytes(4_000_000),
    "messages.arrow": lambda: SAMPLES["stream.arrow"][:176] * 20_000,
    "blocks.zst": lambda: b"\x28\xb5\x2f\xfd\0X" + b"\0\0\0" * 1_000_000,
    "members.tar": lambda: SAMPLES["chips.tar"][:1024] * 4_000,
    "streams.xz": lambda: bytes(8_000_000) + b"YZ",
    "depth.npy": lambda: b"\x93NUMPY\1\0\xff\xff" + b"[" * 65535,
    "powers.npy": lambda: b"\x93NUMPY\1\0\xff\xff" + b"{'descr':'u1','shape':(" + b"9" * 4000 + b",)}",
    "stack.tif": lambda: SAMPLES["imagej.tif"].replace(b"images=5", b"images=9" * 1),
    "deep.json": lambda: b"[" * 5_000_000,
    "wide.json": lambda: b"[[],[]" * 1_000_000,
}
"""Functions that make files to overload or crash a reader: small for what they claim to contain."""


@pytest.mark.parametrize("name", BOMBS)
def test_the_work_for_a_hostile_file_is_bounded(name, monkeypatch):
    """An eighth of the limits, so that the test takes an eighth of the time: work grows with them."""
    monkeypatch.setattr(reader, "MAX_WORK", reader.MAX_WORK // 8)
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", archives.MAX_UNPACKED_BYTES // 8)
    monkeypatch.setattr(compressed, "MAX_DECOMPRESSED_BYTES", compressed.MAX_DECOMPRESSED_BYTES // 8)
    data = BOMBS[name]()
    with cpu_seconds_below(1.5):
        found = found_in(data, name)
    assert found is None or isinstance(found, str)
    assert len(found or "") < 300


def test_a_check_that_reaches_its_work_limit_finds_nothing(monkeypatch):
    monkeypatch.setattr(reader, "MAX_WORK", 2000)
    assert found_in(ifd_chain(), "chain.tif") is None


def test_a_file_that_shrinks_during_the_check_is_a_flaw():
    class Shrinking(io.BytesIO):
        def read(self, size=-1):
            return super().read(size)[:3] if self.tell() < 5 else b""

    assert "became shorter" in tiff.check_tiff(Shrinking(SAMPLES["strips.tif"]))


PIECES = [b"\0" * 4, b"\xff" * 4, b"\xff" * 8, b"\0\0\0\1"]


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_check_of_a_damaged_file_raises_nothing(name):
    choice = random.Random(name)
    for _ in range(12):
        body = bytearray(SAMPLES[name])
        for _ in range(choice.randint(1, 6)):
            at = choice.randrange(min(len(body), choice.choice([40, 400, 1 << 20])) or 1)
            piece = choice.choice(PIECES) if choice.random() < 0.5 else choice.randbytes(choice.randrange(9))
            body[at : at + choice.randrange(13)] = piece
        with cpu_seconds_below(2):
            found = found_in(bytes(body), name)
        assert found is None or (isinstance(found, str) and "\n" not in found)


HEADS = [
    b"II*\0",
    b"MM\0+",
    b"PK\3\4",
    netcdf.SIGNATURE,
    b"CDF\1",
    b"CDF\5",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
]
HEADS += [
    b"GRIB",
    b"NITF02.10",
    b"LASF",
    b"GIF89a",
    b"BM",
    b"RIFF",
    b"ARROW1\0\0",
    b"\xff" * 4,
    b"ORC",
    b"fgb\3fgb",
]
HEADS += [b"\x93NUMPY", b"SQLite format 3\0", b"PMTiles\3", b"\0\0\x27\x0a", b"\x0e\x03\x13\x01", b"FEA1"]
HEADS += [b"\xfd7zXZ\0", b"BZh9", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c", b"\0\0\0\x18ftyp"]
HEADS += [b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51", b"PAR1", b"%PDF-", b"\x1f\x8b\x08", b"{", b""]


NAMES = ["", "a.tif", "a.json", "a.nc", "a.tar", "a.dbf", "a.grib", "a.pdf", "a.zip"]


@pytest.mark.parametrize("head", HEADS)
def test_a_check_of_arbitrary_bytes_raises_nothing(head):
    choice = random.Random(head)
    for _ in range(30):
        with cpu_seconds_below(2):
            found = found_in(head + choice.randbytes(choice.randrange(400)), choice.choice(NAMES))
        assert found is None or isinstance(found, str)


@pytest.mark.parametrize(
    ("name", "data", "strange"),
    [
        ("a.json", b"no JSON", True),
        ("a.json", b'{"a": nothing}', True),
        ("a.json", b'{"a": [1, 2', False),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(40), True),
        ("strips.tif", SAMPLES["strips.tif"][:-1], False),
        ("strips.tif", SAMPLES["strips.tif"][:100], False),
        ("a.tif", b"II*\0" + b"\xee" * 400, True),
        ("a.tif", b"II*\0\x08\0\0\0" + b"\xee" * 400, True),
        ("a.tif", b"II*", False),
        ("a.tif", b"nothing that we know", True),
    ],
)
def test_truncation_is_distinguished_from_other_flaws(name, data, strange):
    assert isinstance(flaw(io.BytesIO(data), name), IntrinsicFlaw) is strange
