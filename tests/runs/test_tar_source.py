"""A tar archive as SOURCE, plain or compressed: read once as a stream, and whole or said not to be."""

import asyncio
import gzip
import io
import random
import tarfile
from pathlib import Path

import pytest
import zstandard

from mlhub_async import Options, mirror, verify
from mlhub_async.engine.planning.plan import plan_only
from support.archives import TOP, catalogue, heads_of, in_several_members, tarred
from support.engine import make_options, run
from support.mirrored import Mirrored
from support.server import Cut, Flip, Headers, IgnoreRange, Status, tif

FILES = catalogue(3, 9_000)
TAR = tarred(FILES)
LONG = {name.replace("kenya", "k" * 120 + "/" + "ä" * 60): data for name, data in FILES.items()}
DIGESTS = sorted(data for name, data in FILES.items() if name.endswith(".tif"))


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def zstd(data):
    frame = zstandard.ZstdCompressor().compress
    return frame(data[:5_000]) + b"\x50\x2a\x4d\x18\x04\0\0\0skip" + frame(data[5_000:])


@pytest.mark.parametrize(
    ("name", "archive"),
    [
        ("a.tar", TAR),
        ("a.tar.gz", gzip.compress(TAR)),
        ("a.tgz", in_several_members(TAR)),
        ("a.tar.zst", zstd(TAR)),
        ("a.tar.gz", gzip.compress(tarred(LONG, tarfile.PAX_FORMAT))),
        ("a.tar.gz", gzip.compress(tarred(LONG, tarfile.GNU_FORMAT))),
        ("a.tar.gz", gzip.compress(tarred({f"./{name}": data for name, data in FILES.items()}))),
        ("a.tar.gz", gzip.compress(tarred(dict(reversed(FILES.items())))) + bytes(512)),
        ("a.tar.gz", gzip.compress(tarred(dict([*FILES.items()][:4])) + tarred(dict([*FILES.items()][4:])))),
        ("a.tar.gz", gzip.compress(tarred({**FILES, f"{TOP}._x.tif": b"x", f"{TOP}.DS_Store": b"x"}))),
    ],
    ids=["tar", "gzip", "bgzip", "zstd", "pax", "gnu", "dot", "items-first", "concatenated", "macos"],
)
async def test_the_files_of_a_tar_are_those_that_tar_would_extract(site, dest, name, archive):
    report = await run(site.put(f"/{name}", archive, etag='"1"'), dest)
    assert report.exit_code == 0, report.summary()
    assert sorted(Mirrored(dest).files.values()) == DIGESTS
    Mirrored(dest).check(0)
    assert (await verify(dest)).damage == []
    assert len(site.log) == 1 and not (dest / ".mlhub/unpacked/data").exists()


@pytest.mark.parametrize("label", ["x-gzip", "gzip"])
async def test_an_archive_labelled_as_encoded_is_read_as_the_file_that_it_is(site, dest, label):
    plans = [(Headers((("Content-Encoding", label),)), Cut(after=3_000))]
    always = [Headers((("Content-Encoding", label),))]
    url = site.put("/a.tar.gz", gzip.compress(TAR), etag='"1"', faults=plans, always=always)
    report = await run(url, dest)
    assert report.exit_code == 0, report.summary()
    assert sorted(Mirrored(dest).files.values()) == DIGESTS
    assert [seen.headers.get("range") for seen in site.log] == [None, "bytes=3000-"]


async def test_a_checksum_of_signed_bytes_is_right_too(site, dest):
    files = {"kenya/\u00e4.tif": tif(2_000), "kenya/b.tif": tif(3_000)}
    archive = bytearray(tarred(files))
    for at in heads_of(bytes(archive)):
        head = archive[at : at + 148] + b" " * 8 + archive[at + 156 : at + 512]
        signed = sum(byte - 256 * (byte > 127) for byte in head)
        archive[at + 148 : at + 156] = b"%06o\0 " % signed
    report = await run(site.put("/a.tar", bytes(archive)), dest)
    assert report.exit_code == 0, report.summary()
    assert sorted(Mirrored(dest).files.values()) == sorted(files.values())


def linked_tar(format):
    """An archive as `tar` makes it of a folder with hard links, such as a mirror with files of one URL."""
    target = io.BytesIO()
    long = f"kenya/{'k' * 120}/one.tif"
    with tarfile.open(fileobj=target, mode="w", format=format) as archive:

        def add(name, data=b"", link="", kind=tarfile.LNKTYPE):
            member = tarfile.TarInfo(name)
            member.size, member.linkname, member.type = len(data), link, kind if link else tarfile.REGTYPE
            archive.addfile(member, io.BytesIO(data))

        add(long, tif(2_000))
        add("kenya/b/two.tif", link=long)
        add("kenya/b/three.tif", link="./kenya/b/two.tif")
        add("kenya/large.tif", tif(400_000))
        add("kenya/b/large.tif", link="kenya/large.tif")
        add("kenya/a.json", b'{"a": 1}')
        add("kenya/b/b.json", link="kenya/a.json")
        add("kenya/b/b.txt", link="kenya/a.json")
    return target.getvalue()


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["gnu", "pax"])
async def test_hard_links_are_the_files_that_they_lead_to(site, dest, form):
    url = site.put("/a.tar.gz", gzip.compress(linked_tar(form)), etag='"1"')
    report = await run(url, dest)
    assert report.exit_code == 0, report.summary()
    small, large, document = tif(2_000), tif(400_000), b'{"a": 1}'
    expected = [small] * 3 + [large] * 2 + [document]  # and two that end in .json
    assert sorted(Mirrored(dest).files.values()) == sorted(expected)
    assert (await verify(dest)).damage == []
    assert (await run(url, dest)).skipped == 8
    plan = await plan_only(url, make_options(allow_private=True))
    assert plan.assets == 8 and plan.listing.complete


async def test_hard_links_that_lead_nowhere_or_out_are_refused_by_name(site, dest):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, link in (
            ("k/a.tif", ""),
            ("../out.tif", "k/a.tif"),
            ("k/b.tif", "/etc/passwd"),
            ("k/c", "k/d"),
        ):
            member = tarfile.TarInfo(name)
            member.size, member.linkname = 0 if link else 300, link
            member.type = tarfile.LNKTYPE if link else tarfile.REGTYPE
            archive.addfile(member, io.BytesIO(bytes(300)))
    report = await run(site.put("/a.tar", target.getvalue()), dest, verify="size")
    assert report.exit_code == 4
    told = sorted(row["error"]["message"].partition(": ")[2] for row in Mirrored(dest).errors)
    assert len(told) == 3 and sum("no member before it" in one for one in told) == 2
    assert list(Mirrored(dest).files.values()) == [bytes(300)]


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
async def test_dest_may_be_a_relative_path(site, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    archive = TAR if name == "a.tar" else gzip.compress(TAR)
    assert (await run(site.put(f"/{name}", archive), Path("relative"))).exit_code == 0
    assert sorted(Mirrored(tmp_path / "relative").files.values()) == DIGESTS


async def test_a_second_run_is_one_conditional_request_without_a_body(site, dest):
    url = site.put("/a.tar.gz", gzip.compress(TAR), etag='"1"')
    first = await run(url, dest)
    second = await run(url, dest)
    assert second.exit_code == 0 and second.skipped == 6
    assert second.manifest_sha256 == first.manifest_sha256
    assert [one.headers.get("if-none-match") for one in site.log] == [None, '"1"']


async def test_an_archive_that_has_changed_is_read_anew(site, dest):
    await run(site.put("/a.tar.gz", gzip.compress(TAR), etag='"1"'), dest)
    more = catalogue(4, 9_000)
    report = await run(site.put("/a.tar.gz", gzip.compress(tarred(more)), etag='"2"'), dest)
    assert report.exit_code == 0 and report.fetched == 2


async def test_a_file_that_was_deleted_comes_from_the_archive_again(site, dest):
    url = site.put("/a.tar.gz", gzip.compress(TAR), etag='"1"')
    await run(url, dest)
    (dest / "c1/i1/data.tif").unlink()
    report = await run(url, dest)
    assert report.exit_code == 0 and report.fetched == 1
    assert sorted(Mirrored(dest).files.values()) == DIGESTS


@pytest.mark.parametrize("fault", [None, IgnoreRange()], ids=["ranges", "no ranges"])
async def test_a_stream_that_breaks_off_goes_on_where_it_was(site, dest, fault):
    faults = [Cut(after=20_000), Status(503), *([fault] if fault else [])]
    report = await run(site.put("/a.tar", TAR, etag='"1"', faults=faults), dest)
    assert report.exit_code == 0 and sorted(Mirrored(dest).files.values()) == DIGESTS
    assert site.log[-1].headers["range"].startswith("bytes=")


async def test_a_tar_that_was_cut_anywhere_never_ends_in_0(site, dest):
    places = heads_of(TAR) + random.Random(1).sample(range(len(TAR)), 10)
    for number, place in enumerate(places):
        for suffix, packed in (("tar", TAR[:place]), ("tar.gz", gzip.compress(TAR[:place]))):
            report = await run(site.put(f"/{number}.{suffix}", packed), dest / f"{number}.{suffix}")
            assert report.exit_code in (4, 5), (place, suffix)
            assert set(Mirrored(dest / f"{number}.{suffix}").files.values()) <= set(DIGESTS)


async def test_compressed_data_that_was_cut_never_ends_in_0(site, dest):
    for name, packed in (
        ("g.tgz", gzip.compress(TAR)),
        ("b.tgz", in_several_members(TAR)),
        ("z.tar.zst", zstd(TAR)),
    ):
        for place in [len(packed) - 1, len(packed) - 8, *random.Random(2).sample(range(len(packed)), 10)]:
            report = await run(site.put(f"/{place}{name}", packed[:place]), dest / f"{place}{name}")
            assert report.exit_code in (4, 5), (name, place)


async def test_what_is_whole_of_a_cut_archive_stays(site, dest):
    report = await run(site.put("/a.tar", tarred(dict(reversed(FILES.items())))[:-9_000]), dest)
    assert report.exit_code == 5 and Mirrored(dest).files
    assert "is cut" in report.listing.error.message


async def test_what_a_broken_connection_did_not_bring_may_have_been_the_catalogue(site, dest):
    files = {name: data for name, data in FILES.items() if name.endswith(".tif")}
    url = site.put("/a.tar", tarred({**files, **FILES}), etag='"1"')
    site.things["/a.tar"].always = (Cut(after=20_000), IgnoreRange())
    report = await run(url, dest)
    assert report.exit_code == 5 and Mirrored(dest).files == {}
    site.things["/a.tar"].always = ()
    assert (await run(url, dest)).exit_code == 0
    assert sorted(Mirrored(dest).files.values()) == DIGESTS


async def test_no_file_is_on_the_disk_twice_while_the_members_come(site, dest):
    counts = []

    def told(event):
        if event["event"] == "finish":
            there = [path for path in dest.rglob("*") if path.is_file() and path.stat().st_size == 9_000]
            counts.append(len(there))

    options = Options(allow_private=True)
    report = await mirror(site.put("/a.tar.gz", gzip.compress(TAR), etag='"1"'), dest, options, on_event=told)
    assert report.exit_code == 0 and len(counts) == 6 and set(counts) == {3}


async def test_a_wrong_crc_of_gzip_is_said_and_nothing_of_it_is_taken(site, dest):
    packed = bytearray(gzip.compress(TAR))
    packed[-8] ^= 1
    report = await run(site.put("/a.tar.gz", bytes(packed)), dest)
    assert report.exit_code == 4 and Mirrored(dest).files == {}
    assert "damaged" in report.listing.error.message


async def test_members_that_are_no_files_or_lead_out_are_refused_by_name(site, dest):
    bad = {"../evil.tif": b"x", "/evil.tif": b"x", "a\\evil.tif": b"x"}
    archive = tarred({**FILES, **bad}, hard=tarfile.LNKTYPE, soft=tarfile.SYMTYPE, device=tarfile.CHRTYPE)
    report = await run(site.put("/a.tar", archive), dest)
    assert report.exit_code == 4
    rows = [row["error"] for row in Mirrored(dest).errors]
    assert len(rows) == 6 and {row["class"] for row in rows} == {"refused-member"}
    assert sorted(Mirrored(dest).files.values()) == DIGESTS
    assert not list(dest.parent.rglob("*evil*"))


@pytest.mark.parametrize("body", [b"", b"no archive" * 100, b"BZh91AY&SY" * 100, b"\xfd7zXZ\0" * 100])
async def test_what_is_no_tar_is_said(site, dest, body):
    report = await run(site.put("/a.tar.gz", body), dest)
    assert report.exit_code == 4 and "a.tar.gz" in report.listing.error.message


async def test_bytes_that_were_flipped_on_the_way_are_never_taken(site, dest):
    report = await run(site.put("/a.tar.gz", gzip.compress(TAR), always=[Flip(at=20_000)]), dest)
    assert report.exit_code == 4 and Mirrored(dest).files == {}


async def test_a_run_that_is_stopped_reads_the_archive_again_or_what_is_left_of_it(site, dest):
    url = site.put("/a.tar.gz", gzip.compress(TAR), etag='"1"')
    running = asyncio.ensure_future(run(url, dest))
    while not (dest / ".mlhub/unpacked/index").exists():  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    report = await run(url, dest)
    assert report.exit_code == 0 and sorted(Mirrored(dest).files.values()) == DIGESTS


async def test_unpacked_bytes_that_this_disk_spoilt_are_unpacked_again(site, dest):
    url = site.put("/a.tar.gz", gzip.compress(TAR), etag='"1"')
    await run(url, dest)
    documents = dest / ".mlhub/unpacked/documents"
    documents.write_bytes(bytes(documents.stat().st_size))
    (dest / "c1/i1/data.tif").unlink()
    report = await run(url, dest)
    assert report.exit_code == 0 and sorted(Mirrored(dest).files.values()) == DIGESTS


async def test_documents_are_read_while_the_archive_is_unpacked_again(site, dest):
    files = catalogue(60, 4_000)
    url = site.put("/a.tar.gz", gzip.compress(tarred(files)), etag='"1"')
    await run(url, dest)
    for path in dest.rglob("*.tif"):
        path.unlink()
    report = await run(url, dest)
    assert report.exit_code == 0 and report.fetched == 120
    assert len(site.log) == 3


async def test_the_archives_of_mlhub_are_read_where_they_redirect_to(site, dest, troubled):
    blobs = await troubled.site()
    blobs.put(
        "/mlhub/archives/c1.tar.gz", gzip.compress(TAR), etag='"0x8D"', content_type="application/x-tar"
    )
    site.redirect("/mlhub/v1/archive/c1", blobs.url("/mlhub/archives/c1.tar.gz"), code=303)
    url = site.url("/mlhub/v1/archive/c1")
    report = await run(url, dest, api_key="SECRET")
    assert report.exit_code == 0 and sorted(Mirrored(dest).files.values()) == DIGESTS
    assert (await run(url, dest, api_key="SECRET")).skipped == 6
    assert blobs.log[-1].headers["if-none-match"] == '"0x8D"'
    assert all("SECRET" not in f"{one.target}{one.headers}" for one in blobs.log)


async def test_without_a_validator_the_bytes_come_again_and_it_says_so(site, dest):
    url = site.put("/a.tar.gz", gzip.compress(TAR))
    site.things["/a.tar.gz"].etag = site.things["/a.tar.gz"].last_modified = None
    await run(url, dest)
    report = await run(url, dest)
    assert report.exit_code == 0 and report.skipped == 6
    assert "if-none-match" not in site.log[-1].headers
    assert any("no strong validator" in line for line in report.listing.remarks.lines)
