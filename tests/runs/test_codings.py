"""Content-Encoding as servers write it: labels that are no codings, codings, and labels that are wrong."""

import gzip
import zlib

import pytest
import zstandard

from mlhub_async.core.errors import Corrupt, TransferError
from mlhub_async.http.decoding.body import BodyDecoder, content_codings, decode_piece, decoder_for
from support.engine import run
from support.mirrored import Mirrored
from support.server import Cut, Drip, Headers, tif
from support.stac_server import Api, sizes_and_digests, stac_item

BODY = tif(60_000)
TEXT = b'{"type": "FeatureCollection", "features": []}' * 50


def raw(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def zstd(data, level=3):
    return zstandard.ZstdCompressor(level=level).compress(data)


def named(data):
    return data


SKIPPABLE = b"\x52\x2a\x4d\x18\x03\0\0\0abc"
LABELS = {
    "UTF-8": named,
    "utf8": named,
    "ISO-8859-1": named,
    "windows-1252": named,
    "charset=utf-8": named,
    "binary": named,
    "8bit": named,
    "none": named,
    "": named,
    "aws-chunked": named,
    "aws-chunked, UTF-8": named,
    "identity": named,
    "gzip": gzip.compress,
    "GZIP": gzip.compress,
    "x-gzip": gzip.compress,
    "application/gzip": gzip.compress,
    "identity, gzip": gzip.compress,
    "gzip, identity": gzip.compress,
    "gzip,aws-chunked": gzip.compress,
    "gzip ; q=1": gzip.compress,
    "gzip, gzip": lambda data: gzip.compress(gzip.compress(data)),
    "deflate, gzip": lambda data: gzip.compress(zlib.compress(data)),
    "deflate": zlib.compress,
    "Deflate": raw,
    "zstd": zstd,
    "zstd, identity": lambda data: zstd(data[:1000]) + SKIPPABLE + zstd(data[1000:], 19),
    "zstd, gzip": lambda data: gzip.compress(zstd(data)),
}
WRONG = {
    "gzip": named,
    "x-gzip": zlib.compress,
    "deflate": gzip.compress,
    "Deflate": named,
    "zstd": named,
    "ZSTD": gzip.compress,
    "GZIP": zstd,
    "gzip, gzip": gzip.compress,
    "deflate, gzip": named,
}
TABLE = [
    *((label, LABELS[label], "right") for label in LABELS),
    *((one, WRONG[one], "wrong") for one in WRONG),
]
IDS = [f"{label or 'empty'} {kind}" for label, _, kind in TABLE]


def labelled(label):
    return Headers((("Content-Encoding", label),))


@pytest.mark.parametrize("transport", ["fast", "aiohttp"])
@pytest.mark.parametrize("said", [False, True], ids=["nothing known", "digest known"])
async def test_a_file_has_its_own_bytes_whatever_the_label_says(site, dest, transport, said):
    items = []
    for number, (label, packed, _) in enumerate(TABLE):
        known = sizes_and_digests(BODY) if said else {}
        href = site.put(f"/{number}.tif", packed(BODY), always=[labelled(label)])
        items.append(stac_item(f"i{number}", data={"href": href, "type": "image/tiff", **known}))
    report = await run(items, dest, transport=transport)
    assert report.exit_code == 0, Mirrored(dest).failed
    wrong = [IDS[n] for n in range(len(TABLE)) if Mirrored(dest).bytes_of(f"i{n}") != BODY]
    assert wrong == []


@pytest.mark.parametrize(("label", "packed", "kind"), TABLE, ids=IDS)
@pytest.mark.parametrize("plain", [BODY, TEXT], ids=["binary", "text"])
def test_a_body_is_decoded_in_pieces_of_any_size(label, packed, kind, plain):
    codings = content_codings({"content-encoding": label})
    data = packed(plain)
    for size in (1, 7, 1000, len(data)):
        if not codings:
            assert data == plain
            continue
        decoder = BodyDecoder(codings)
        pieces = [decoder.feed(data[n : n + size], 1 << 20) for n in range(0, len(data), size)]
        assert b"".join(pieces) == plain and decoder.ended


CODED = [(label, packed) for label, packed in LABELS.items() if packed is not named]


@pytest.mark.parametrize(("label", "packed"), CODED, ids=[label for label, _ in CODED])
def test_an_encoded_body_that_is_cut_or_spoilt_is_never_taken_for_whole(label, packed):
    codings, data = content_codings({"content-encoding": label}), packed(BODY)
    for end in (0, 1, 5, len(data) // 2, len(data) - 1):
        decoder = BodyDecoder(codings)
        decoder.feed(data[:end], 1 << 20)
        assert not decoder.ended, end
    for spoilt in (0, 1, 2, 3):
        bad = bytearray(data)
        bad[spoilt] ^= 0xFF
        decoder = BodyDecoder(codings)
        try:
            decoded = decode_piece(decoder, bytes(bad), None, "x")
        except Corrupt as error:
            assert error.kind == "decoding"
        else:
            assert not decoder.is_stored and (decoded == BODY or not decoder.ended)


@pytest.mark.parametrize("label", ["br", "compress", "base64", "exi", "rot13", "gzip, br", "x", "gzip," * 4])
async def test_an_unknown_coding_is_named(site, dest, label):
    items = [stac_item("one", data=site.put("/one.tif", BODY, always=[labelled(label)]))]
    assert (await run(items, dest)).exit_code == 4
    assert Mirrored(dest).failed == {"one": "encoding"}
    assert "content encoding" in Mirrored(dest).errors[0]["error"]["message"]


@pytest.mark.parametrize("label", ["UTF-8", "aws-chunked", "binary"])
async def test_a_label_that_is_no_coding_does_not_hinder_a_resume(site, dest, label):
    plans = [(labelled(label), Cut(30_000))]
    href = site.put("/one.tif", BODY, etag='"1"', faults=plans, always=[labelled(label)])
    assert (await run([stac_item("one", data=href)], dest)).exit_code == 0
    assert Mirrored(dest).bytes_of("one") == BODY
    assert [seen.headers.get("range") for seen in site.requests["/one.tif"]] == [None, "bytes=30000-"]


@pytest.mark.parametrize("suffix", [".gz", ".tgz", ".svgz", ".GZ", ".zst"])
async def test_a_compressed_file_labelled_as_compressed_stays_as_it_is(site, dest, suffix):
    packed, label = (zstd(TEXT), "zstd") if suffix == ".zst" else (gzip.compress(TEXT), "gzip")
    href = site.put(f"/one{suffix}", packed, always=[labelled(label), Drip(0, 100)])
    assert (await run([stac_item("one", data=href)], dest)).exit_code == 0
    (path,) = Mirrored(dest).files.values()
    assert (dest / path).read_bytes() == packed if isinstance(path, str) else path == packed


async def test_such_a_file_goes_on_where_it_broke_off(site, dest):
    packed, label = gzip.compress(BODY), labelled("x-gzip")
    href = site.put("/one.tif.gz", packed, etag='"1"', faults=[(label, Cut(30_000))], always=[label])
    assert (await run([stac_item("one", data=href)], dest)).exit_code == 0
    assert [*Mirrored(dest).files.values()] == [packed]
    assert [seen.headers.get("range") for seen in site.requests["/one.tif.gz"]] == [None, "bytes=30000-"]


@pytest.mark.parametrize("label", [one for one in LABELS if one] + ["gzip wrong"])
async def test_documents_are_decoded_by_the_same_rule(site, dest, label):
    api = Api(site, [stac_item("one", data=site.put("/one.tif", BODY))])
    packed = LABELS.get(label, named)

    def encoded(seen, reply):
        if seen.path != "/one.tif" and reply.status == 200:
            reply.body = packed(reply.body)
            reply.set("Content-Encoding", label.removesuffix(" wrong"))

    site.answered = encoded
    assert (await run(api.url, dest, "c1")).exit_code == 0
    assert Mirrored(dest).bytes_of("one") == BODY


def test_a_zstd_bomb_is_refused_before_it_is_unpacked():
    decoder = decoder_for(("zstd",), "a.tif", "a")
    with pytest.raises(Corrupt, match="unpacks to more than"):
        decode_piece(decoder, zstd(bytes(300 << 20)), None, "a")
    assert len(BodyDecoder(("zstd",)).feed(zstd(bytes(1 << 20)), 1000)) == 1001


def test_zstd_without_its_library_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    with pytest.raises(TransferError, match="zstandard"):
        BodyDecoder(("zstd",)).feed(zstd(BODY), 1000)
