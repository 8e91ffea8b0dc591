"""A right answer with the wrong thing in it: pages, error documents, nothing at all."""

import io
import zipfile

import pytest

from support.engine import run, run_and_check
from support.mirrored import Mirrored
from support.server import Chunked, CloseDelimited, Drip, Endless, Status, html, noise, redirect, tif
from support.stac_server import sizes_and_digests, stac_item

LOGIN = b"<!DOCTYPE html><html><body>Please log in</body></html>"
S3_ERROR = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'
JSON_ERROR = b'{"message": "no such key"}'
GOOD = tif(20_000, 1)


@pytest.fixture
async def site(troubled):
    return await troubled.site()


def instead(body, content_type="image/tiff"):
    return Status(200, body=body, content_type=content_type)


def one(site, *, path="/one.tif", body=GOOD, faults=(), always=(), **about):
    href = site.put(path, body, faults=faults, always=always)
    return [stac_item("one", data={"href": href, **about})]


@pytest.mark.parametrize(
    ("body", "code", "requests"),
    [(LOGIN, 5, 3), (S3_ERROR, 4, 1), (JSON_ERROR, 4, 1)],
)
async def test_an_error_in_place_of_an_image_is_refused_whatever_it_calls_itself(
    site, dest, body, code, requests
):
    items = one(site, always=[instead(body)])
    assert await run_and_check(items, dest) == (code, "wrong-content")
    assert site.count("/one.tif") == requests
    assert Mirrored(dest).bytes_of("one") is None


@pytest.mark.parametrize("body", [b"\x14quota exceeded", b"\0" * 5000])
async def test_odd_data_is_no_error_page_and_is_kept(site, dest, body):
    assert await run_and_check(one(site, always=[instead(body)]), dest) == (0, "")
    assert Mirrored(dest).bytes_of("one") == body


POINTERS = {
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:"
    + b"5e" * 32
    + b"\nsize 7340032\n",
    "a git-annex pointer": b"/annex/objects/MD5E-s7340032--" + b"5e" * 16 + b".tif\n",
}
MESSAGES = [b"quota exceeded", b"Rate limit exceeded\n" * 9_000]
BINARY_TYPES = {
    "tif": "image/tiff; application=geotiff",
    "jp2": "image/jp2",
    "nc": "application/x-netcdf",
    "h5": "application/x-hdf5",
    "parquet": "application/vnd.apache.parquet",
    "zip": "application/zip",
    "png": "image/png",
    "gpkg": "application/geopackage+sqlite3",
}


@pytest.mark.parametrize("name", POINTERS)
async def test_a_pointer_of_a_source_repository_is_no_data(site, dest, name):
    suffixes = [*BINARY_TYPES, "csv", "bin"]
    for suffix in suffixes:
        site.put(f"/x.{suffix}", POINTERS[name], content_type="text/plain; charset=utf-8")
    items = [stac_item(suffix, data={"href": site.url(f"/x.{suffix}")}) for suffix in suffixes]
    report = await run(items, dest)
    assert report.exit_code == 4
    assert Mirrored(dest).failed == dict.fromkeys(suffixes, "wrong-content")
    assert {site.count(f"/x.{suffix}") for suffix in suffixes} == {1}


@pytest.mark.parametrize("body", MESSAGES, ids=["small", "large"])
async def test_a_message_in_plain_text_is_no_binary_file(site, dest, body):
    for suffix in BINARY_TYPES:
        site.put(f"/{suffix}", body, content_type="application/octet-stream")
    items = [
        stac_item(one, data={"href": site.url(f"/{one}"), "type": BINARY_TYPES[one]}) for one in BINARY_TYPES
    ]
    report = await run(items, dest)
    failed = Mirrored(dest).failed
    assert report.exit_code in (4, 5) and set(failed) == set(BINARY_TYPES)
    assert set(failed.values()) <= {"wrong-content", "structure"}


@pytest.mark.parametrize("size", [5_000, 600_000], ids=["small", "large"])
async def test_a_text_before_an_archive_is_part_of_it(site, dest, size):
    file = io.BytesIO(b"#!/bin/sh\n" + b"# this program unpacks what follows\n" * 20)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("chip.bin", noise(size))
    items = one(site, path="/chips.zip", body=file.getvalue())
    assert await run_and_check(items, dest) == (0, "")
    assert Mirrored(dest).bytes_of("one") == file.getvalue()


@pytest.mark.parametrize("body", [b"quota exceeded", b"please wait " * 60_000], ids=["small", "large"])
async def test_any_text_that_comes_as_a_page_is_no_image(site, dest, body):
    items = one(site, always=[instead(body, "text/html; charset=utf-8")])
    assert await run_and_check(items, dest) == (5, "wrong-content")


@pytest.mark.parametrize("small_files", [True, False])
@pytest.mark.parametrize(
    ("path", "media_type", "body", "content_type"),
    [
        ("/chips.tar.gz", "application/gzip", JSON_ERROR, "application/json"),
        ("/chips.tar.gz", None, b"Rate limit exceeded\n", "text/plain"),
        ("/scene.tif.gz?v=1", None, S3_ERROR, "application/xml"),
        ("/readme.txt", "text/plain", LOGIN, "text/html"),
        ("/scene.tfw", None, LOGIN, "text/html"),
        ("/scene.aux.xml", "application/xml", LOGIN, "text/html"),
        ("/table.csv", "text/csv", b"<div id=root></div>", "text/html"),
    ],
)
async def test_a_text_that_the_file_cannot_be_is_refused(
    site, dest, path, media_type, body, content_type, small_files
):
    about = {"type": media_type} if media_type else {}
    always = [instead(body, content_type), *([] if small_files else [Chunked()])]
    code, kind = await run_and_check(one(site, path=path, always=always, **about), dest)
    assert code in (4, 5) and kind == "wrong-content"


@pytest.mark.parametrize("about", [{"file:size": len(LOGIN)}, sizes_and_digests(LOGIN)])
async def test_a_page_of_the_published_size_is_kept_in_a_text(site, dest, about):
    items = one(site, path="/form.txt", always=[instead(LOGIN, "text/html")], type="text/plain", **about)
    assert await run_and_check(items, dest) == (0, "")
    assert Mirrored(dest).bytes_of("one") == LOGIN


async def test_a_login_page_that_goes_away_does_no_harm(site, dest):
    assert await run_and_check(one(site, faults=[html(), html()]), dest) == (0, "")
    assert Mirrored(dest).bytes_of("one") == GOOD


async def test_a_page_is_refused_before_its_body_is_read(site, dest):
    page = Status(200, body=LOGIN + b" " * 4000, content_type="text/html")
    items = one(site, always=[page, Endless()])
    report = await run(items, dest)
    assert report.exit_code == 5 and Mirrored(dest).failed == {"one": "wrong-content"}
    assert report.received < 3 << 20


@pytest.mark.parametrize("piece", [1, 7])
async def test_a_page_that_comes_in_drops_is_a_page(site, dest, piece):
    items = one(site, always=[instead(S3_ERROR), Drip(0, piece)])
    assert await run_and_check(items, dest) == (4, "wrong-content")


@pytest.mark.parametrize("framing", [Chunked(10), CloseDelimited()], ids=["chunked", "close-delimited"])
async def test_a_page_without_a_length_is_a_page(site, dest, framing):
    items = one(site, always=[instead(JSON_ERROR), framing])
    assert await run_and_check(items, dest) == (4, "wrong-content")


async def test_the_suffix_that_only_a_redirect_tells_counts_too(site, dest):
    site.put("/storage/labels.geojson", S3_ERROR)
    items = one(site, path="/download", always=[redirect("/storage/labels.geojson")])
    assert await run_and_check(items, dest) == (4, "wrong-content")


async def test_data_of_another_format_than_the_catalogue_says_is_kept(site, dest):
    png = b"\x89PNG\r\n\x1a\n" + noise(5000)
    assert await run_and_check(one(site, body=png, type="image/tiff"), dest) == (0, "")
    assert Mirrored(dest).bytes_of("one") == png


PNG = b"\x89PNG\r\n\x1a\n" + noise(5000)
PICTURES = {
    "image/png": PNG,
    "image/jpeg; q=80": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + noise(5000),
    "image/gif": b"GIF89a\1\0\1\0" + noise(5000),
    "image/webp": b"RIFF\x98\x13\0\0WEBPVP8 " + noise(5000),
    "image/avif": b"\0\0\0\x20ftypavif" + noise(5000),
}


@pytest.mark.parametrize("small_files", [True, False])
@pytest.mark.parametrize("content_type", PICTURES)
async def test_a_picture_in_place_of_data_is_a_placeholder(site, dest, content_type, small_files):
    """As servers send it with status 200 for what they lack, and image optimisers for what they have."""
    always = [instead(PICTURES[content_type], content_type), *([] if small_files else [Chunked()])]
    items = one(site, always=always, type="image/tiff; application=geotiff")
    for path, media_type in (("/two.nc", None), ("/three", "application/x-hdf5"), ("/four.zip", None)):
        href = site.put(path, always=always)
        items.append(stac_item(path[1:].partition(".")[0], data={"href": href, "type": media_type}))
    report = await run(items, dest)
    assert report.exit_code == 4
    assert Mirrored(dest).failed == dict.fromkeys(["one", "two", "three", "four"], "wrong-content")
    assert Mirrored(dest).files == {} and f"a picture ({content_type.partition(';')[0]})" in str(
        Mirrored(dest).errors
    )


@pytest.mark.parametrize(
    ("path", "about", "content_type"),
    [
        ("/a.tif", {"type": "image/png"}, "image/png"),
        ("/a.png", {"type": "image/tiff"}, "image/png"),
        ("/a.jpg", {"type": "image/jpeg"}, "image/png"),
        ("/a.tif", {"type": "image/tiff"}, "image/tiff"),
        ("/a.tif", {"type": "image/tiff"}, "application/octet-stream"),
        ("/a", {}, "image/png"),
        ("/a.bin", {}, "image/png"),
        ("/a.tif", {"file:size": len(PNG)}, "image/png"),
        ("/a.tif", sizes_and_digests(PNG), "image/png"),
    ],
)
async def test_a_picture_is_kept_where_one_may_be_meant(site, dest, path, about, content_type):
    items = one(site, path=path, always=[instead(PNG, content_type)], **about)
    assert await run_and_check(items, dest) == (0, "")
    assert Mirrored(dest).bytes_of("one") == PNG


@pytest.mark.parametrize(
    ("path", "media_type", "body"),
    [
        ("/page.html", "text/html", LOGIN),
        ("/report", "text/html; charset=utf-8", LOGIN),
        ("/metadata.xml", "application/xml", S3_ERROR),
        ("/labels.geojson", "application/geo+json", JSON_ERROR),
        ("/readme", None, LOGIN),
    ],
)
async def test_a_page_that_was_asked_for_is_kept(site, dest, path, media_type, body):
    items = one(site, path=path, body=body, **({"type": media_type} if media_type else {}))
    assert await run_and_check(items, dest) == (0, "")
    assert Mirrored(dest).bytes_of("one") == body


@pytest.mark.parametrize("framing", [(), (Chunked(10),), (CloseDelimited(),)])
async def test_no_bytes_at_all_are_no_image(site, dest, framing):
    items = one(site, body=b"", always=framing)
    assert await run_and_check(items, dest) == (4, "empty")
    assert site.count("/one.tif") == 2


async def test_an_answer_that_was_empty_once_is_asked_for_again(site, dest):
    assert await run_and_check(one(site, faults=[instead(b"")]), dest) == (0, "")
    assert Mirrored(dest).bytes_of("one") == GOOD


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/one.tif", {"file:size": 0}),
        ("/one.tif", {"file:checksum": sizes_and_digests(b"")["file:checksum"]}),
        ("/one.txt", {}),
        ("/one.csv", {}),
        ("/one", {}),
    ],
)
async def test_an_empty_file_is_kept_where_it_may_be_one(site, dest, path, says):
    assert await run_and_check(one(site, path=path, body=b"", **says), dest) == (0, "")
    assert Mirrored(dest).bytes_of("one") == b""
