"""A ZIP archive as SOURCE, by URL and by path: read by ranges, never unpacked on disk."""

import gzip
import io
import random
import struct
import zipfile
import zlib

import pytest

from mlhub_async import SourceError, verify
from support.archives import (
    ATTRIBUTES,
    CRC,
    FLAGS,
    METHOD,
    OFFSET,
    TOP,
    as_zip64,
    catalogue,
    entry_of,
    patched,
    tarred,
    zipped,
)
from support.engine import run
from support.mirrored import Mirrored
from support.server import Change, Cut, Flip, IgnoreRange, Status, tif

FILES = catalogue()
LARGE = catalogue(2, 900_000)
ASSETS = {
    f"c1/{name.removeprefix(TOP).split('/')[0]}/{key}.tif": data
    for name, data in FILES.items()
    for key, file in (("data", "data.tif"), ("label", "label one.tif"))
    if name.endswith(file)
}
SPOILT = f"{TOP}i1/data.tif"


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def requests(site, path="/kenya.zip"):
    return len(site.requests[path])


@pytest.mark.parametrize(
    "archive",
    [
        zipped(FILES),
        zipped(FILES, zipfile.ZIP_STORED),
        zipped(FILES, streamed=True),
        as_zip64(zipped(FILES)),
        b"#!/bin/sh\n" * 50 + zipped(FILES),
        zipped({**FILES, "__MACOSX/kenya/._a": b"x", f"{TOP}.DS_Store": b"x"}),
    ],
    ids=["deflated", "stored", "data-descriptors", "zip64", "bytes-before-it", "macos"],
)
async def test_the_files_of_a_zip_are_those_that_its_catalogue_names(site, dest, archive):
    report = await run(site.put("/kenya.zip", archive, etag='"1"'), dest)
    assert report.exit_code == 0, report.summary()
    assert Mirrored(dest).files == ASSETS
    Mirrored(dest).check(0)
    assert (await verify(dest)).damage == []
    assert set(site.requests) == {"/kenya.zip"} and requests(site) <= 3


async def test_a_zip_on_this_machine_is_read_as_one_on_a_server(dest, tmp_path):
    path = tmp_path / "kenya.zip"
    path.write_bytes(zipped(LARGE))
    assert (await run(path, dest)).exit_code == 0
    assert sorted(Mirrored(dest).files.values()) == sorted(
        data for name, data in LARGE.items() if name.endswith(".tif")
    )


async def test_a_second_run_reads_the_directory_and_no_member_of_an_asset(site, dest):
    url = site.put("/kenya.zip", zipped(LARGE), etag='"1"')
    await run(url, dest)
    before = sum(one.headers.get("range", "") != "" for one in site.log)
    report = await run(url, dest)
    assert report.exit_code == 0 and report.skipped == 4
    asked = [one.headers["range"] for one in site.log][before:]
    sizes = [int(last) - int(first) for first, last in (one[6:].split("-") for one in asked)]
    assert max(sizes) < 400_000  # the directory, and the documents with their small neighbours


async def test_every_range_is_tied_to_the_version_of_the_directory(site, dest):
    url = site.put("/kenya.zip", zipped(LARGE), etag='"1"')
    await run(url, dest)
    first, *others = site.requests["/kenya.zip"]
    assert "if-match" not in first.headers
    assert {one.headers.get("if-match") for one in others} == {'"1"'}


async def test_an_archive_that_changes_while_it_is_read_gives_no_mixture(site, dest):
    url = site.put(
        "/kenya.zip", zipped(LARGE), etag='"1"', faults=[None, None, Change(b"x" * 4_000_000, '"2"')]
    )
    report = await run(url, dest)
    assert report.exit_code == 5
    assert set(Mirrored(dest).files.values()) <= set(LARGE.values())


async def test_a_member_that_broke_off_goes_on_where_it_was(site, dest):
    url = site.put("/kenya.zip", zipped(LARGE, zipfile.ZIP_STORED), etag='"1"')
    other = dest.parent / "other"
    await run(url, other)
    count = requests(site)
    site.put("/kenya.zip", site.things["/kenya.zip"].body, etag='"1"')
    site.things["/kenya.zip"].faults.extend([None, None, None, Cut(after=300_000), Status(503)])
    assert (await run(url, dest)).exit_code == 0
    assert Mirrored(dest).files == Mirrored(other).files
    assert requests(site) > 2 * count


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        (FLAGS, 1, "unreadable-member"),
        (METHOD, 9, "unreadable-member"),
        (METHOD, 93, "unreadable-member"),
        (CRC, 1, "checksum-mismatch"),
        (OFFSET, 0, "unreadable-member"),
    ],
    ids=["encrypted", "deflate64", "zstd", "crc", "overlapping"],
)
async def test_a_member_that_cannot_be_had_is_one_row_and_the_others_come(site, dest, field, value, kind):
    archive = patched(zipped(FILES), SPOILT, *field, value)
    report = await run(site.put("/kenya.zip", archive), dest)
    assert report.exit_code == 4
    rows = Mirrored(dest).errors
    assert ("i1", "data", kind) in {(row["item"], row["key"], row["error"]["class"]) for row in rows}
    assert set(Mirrored(dest).files.items()) <= set(ASSETS.items())
    if field is not OFFSET:  # what it overlaps cannot be had either
        assert len(rows) == 1 and len(Mirrored(dest).files) == len(ASSETS) - 1


async def test_a_catalogue_with_another_crc_is_wrong_for_good(site, dest):
    archive = patched(zipped(FILES), f"{TOP}collection.json", *CRC, 1)
    report = await run(site.put("/kenya.zip", archive), dest)
    assert report.exit_code == 4 and "another CRC-32" in report.listing.error.message


async def test_bytes_that_were_flipped_on_the_way_are_asked_for_again(site, dest):
    archive = zipped(CHIPS, zipfile.ZIP_STORED)
    url = site.put("/kenya.zip", archive, etag='"1"', faults=[None, Flip(at=2_000)])
    report = await run(url, dest)
    assert report.exit_code == 0, report.summary()
    assert sorted(Mirrored(dest).files.values()) == sorted(CHIPS.values())


async def test_a_local_header_of_another_name_is_refused(site, dest):
    archive = zipped(FILES).replace(SPOILT.encode(), SPOILT.encode().replace(b"data", b"DATA"), 1)
    report = await run(site.put("/kenya.zip", archive), dest)
    assert report.exit_code == 4 and "another name" in Mirrored(dest).errors[0]["error"]["message"]


@pytest.mark.parametrize(
    "name", ["../evil.tif", "/evil.tif", "a/../../evil.tif", "C:/evil.tif", "a\\evil.tif"]
)
async def test_a_member_that_leads_out_is_refused_by_name(site, dest, name):
    raw = zipped({**FILES, "x" * len(name): b"x"}).replace(b"x" * len(name), name.encode())
    report = await run(site.put("/kenya.zip", raw), dest)
    assert report.exit_code == 4
    assert [row["error"]["class"] for row in Mirrored(dest).errors] == ["refused-member"]
    assert Mirrored(dest).files == ASSETS and not list(dest.parent.rglob("*evil*"))


async def test_a_symbolic_link_is_refused_by_name(site, dest):
    raw = patched(zipped({**FILES, "link": b"/etc/passwd"}), "link", *ATTRIBUTES, 0o120777 << 16)
    raw = raw[: entry_of(raw, "link") + 5] + b"\3" + raw[entry_of(raw, "link") + 6 :]
    report = await run(site.put("/kenya.zip", raw), dest)
    assert report.exit_code == 4
    assert "symbolic link" in Mirrored(dest).errors[0]["error"]["message"]


async def test_a_zip_that_was_cut_anywhere_never_ends_in_0(site, dest):
    archive = zipped(FILES)
    places = [entry_of(archive, name) for name in FILES] + random.Random(1).sample(range(1, len(archive)), 20)
    for number, place in enumerate(places):
        report = await run(site.put("/kenya.zip", archive[:place]), dest / str(number))
        assert report.exit_code in (4, 5), place
        assert "is cut" in str(report.listing.error)


@pytest.mark.parametrize("checksum_fits", [True, False])
async def test_the_unicode_name_of_an_extra_field_is_the_name(site, dest, checksum_fits):
    """Info-ZIP and WinZip write it beside a name in the code page of the machine."""
    coded, data = "\u30c0.tif".encode("shift-jis"), tif(300)
    info = zipfile.ZipInfo("x" * len(coded))
    name = "\u30c0.tif".encode()
    info.extra = (
        struct.pack("<HHBI", 0x7075, 5 + len(name), 1, zlib.crc32(coded) ^ (not checksum_fits)) + name
    )
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(info, data)
    raw = target.getvalue().replace(info.filename.encode(), coded)
    report = await run(site.put("/kenya.zip", raw), dest)
    assert report.exit_code == 0, report.summary()
    (path,) = Mirrored(dest).files
    assert path == f"kenya/kenya/{(name.decode() if checksum_fits else coded.decode('cp437'))}"


@pytest.mark.parametrize("rest", [b"\n", bytes(512), b"<!-- served by cache 3 -->" * 40])
async def test_bytes_behind_a_zip_do_not_hide_it(site, dest, rest):
    report = await run(site.put("/kenya.zip", zipped(FILES) + rest), dest)
    assert report.exit_code == 0, report.summary()
    assert len(Mirrored(dest).files) == 6


async def test_a_zip_in_a_member_is_not_taken_for_one_that_was_cut_behind_it(site, dest):
    outer = zipped({"inner.zip": zipped(FILES), "rest.tif": tif(5_000)}, zipfile.ZIP_STORED)
    for place in (entry_of(outer, "inner.zip") - 100, outer.index(b"PK\5\6") + 40):
        report = await run(site.put("/kenya.zip", outer[:place]), dest / str(place))
        assert report.exit_code == 5 and "is cut" in str(report.listing.error)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"<html>no such file</html>" * 9, "it is a page of HTML or XML"),
        (tarred(FILES), "it is a tar archive: name it .tar"),
        (gzip.compress(tarred(FILES)), "it is gzip"),
        (b"", "it is empty"),
        (b"no archive" * 50, ""),
    ],
    ids=["html", "tar", "tar.gz", "empty", "text"],
)
async def test_what_is_no_zip_is_said(site, dest, body, found):
    report = await run(site.put("/kenya.zip", body), dest)
    told = str(report.listing.error)
    assert report.exit_code == 4 and "kenya.zip is no ZIP archive" in told and found in told


async def test_a_zip_that_is_not_there_is_said(site, dest):
    with pytest.raises(SourceError, match="404"):
        await run(site.url("/absent.zip"), dest)


async def test_an_archive_names_no_other_file_of_this_machine(dest, tmp_path):
    (tmp_path / "secret.tif").write_bytes(b"secret")
    files = dict(FILES)
    files[f"{TOP}i0/i0.json"] = files[f"{TOP}i0/i0.json"].replace(b'"data.tif"', b'"../../../secret.tif"')
    path = tmp_path / "kenya.zip"
    path.write_bytes(zipped(files))
    report = await run(path, dest)
    assert report.exit_code == 4
    assert {row["error"]["class"] for row in Mirrored(dest).errors} == {"outside-root"}


async def test_the_query_of_an_archive_goes_with_every_range_and_into_no_file(site, dest):
    url = site.put("/kenya.zip", zipped(LARGE), etag='"1"') + "?key=SECRET"
    report = await run(url, dest)
    assert report.exit_code == 0
    assert all("key=SECRET" in one.target for one in site.log)
    written = b"".join(path.read_bytes() for path in dest.rglob("*") if path.is_file())
    assert b"SECRET" not in written


CHIPS = {f"kenya/{folder}/{band}.tif": tif(3_000, hash((folder, band))) for folder in "ab" for band in "xyz"}


async def test_an_archive_without_a_catalogue_has_an_item_per_folder(site, dest):
    report = await run(site.put("/kenya.zip", zipped(CHIPS), etag='"1"'), dest)
    assert report.exit_code == 0
    found = {name.removeprefix("kenya/").replace(".tif.tif", ".tif") for name in Mirrored(dest).files}
    assert found == {name.removeprefix("kenya/") for name in CHIPS}
    Mirrored(dest).check(0)
    assert (await run(site.url("/kenya.zip"), dest)).skipped == 6


async def test_the_same_files_give_the_same_manifest_from_every_kind_of_archive(site, dest):
    urls = [site.put("/kenya.zip", zipped(CHIPS)), site.put("/kenya.tar.gz", gzip.compress(tarred(CHIPS)))]
    bare = {name.removeprefix("kenya/"): data for name, data in CHIPS.items()}
    urls.append(site.put("/bare/kenya.tar", tarred(dict(reversed(bare.items())))))
    reports = [await run(url, dest / str(number)) for number, url in enumerate(urls)]
    assert [report.exit_code for report in reports] == [0, 0, 0]
    assert len({report.manifest_sha256 for report in reports}) == 1


async def test_an_encrypted_member_without_a_catalogue_is_one_row(site, dest):
    archive = patched(zipped(CHIPS), "kenya/a/x.tif", *FLAGS, 1)
    report = await run(site.put("/kenya.zip", archive), dest)
    assert report.exit_code == 4 and len(Mirrored(dest).files) == 5
    (row,) = Mirrored(dest).errors
    assert "encrypted" in row["error"]["message"] and row["item"] == "a"


async def test_a_small_archive_of_a_server_without_ranges_comes_by_one_request(site, dest):
    url = site.put("/kenya.zip", zipped(FILES), etag='"1"', always=[IgnoreRange()])
    report = await run(url, dest)
    assert report.exit_code == 0 and Mirrored(dest).files == ASSETS, report.summary()
    assert requests(site) == 1


async def test_a_server_without_ranges_sends_the_archive_once_and_it_does_not_stay(site, dest):
    archive = zipped(LARGE)
    url = site.put(
        "/kenya.zip", archive, etag='"1"', always=[IgnoreRange()], faults=[None, Cut(after=200_000)]
    )
    report = await run(url, dest)
    assert report.exit_code == 0, report.summary()
    assert sorted(Mirrored(dest).files.values()) == sorted(
        data for name, data in LARGE.items() if name.endswith(".tif")
    )
    assert not list((dest / ".mlhub/unpacked").iterdir())
    assert requests(site) == 3  # that for a range, that which broke off, and the rest
