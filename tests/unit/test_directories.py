"""Assets that are directories are recognised by their hrefs, what is sent for them by its first bytes."""

import pytest

from mlhub_async.core.formats.directories import (
    DIRECTORY,
    SAFE,
    ZARR,
    Answer,
    directory_error,
    kind_of_directory,
    listed_instead,
    may_be_directories,
)

HOST = "https://h.test"
V3 = "application/vnd.zarr; version=3"
INDEX = b"<html>\r\n<head><title>Index of /x/</title></head>"
S3_LISTING = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/">'
)


@pytest.mark.parametrize(
    ("path", "media_type", "kind"),
    [
        ("/a/store.zarr", None, ZARR),
        ("/a/store.zarr/", None, ZARR),
        ("/a/store.zarr?sv=2021&sig=a/b", "application/vnd+zarr", ZARR),
        ("/a/store.zarr", "application/octet-stream", ZARR),
        ("/a/store", V3, ZARR),
        ("/a/store.zarr/measurements/b02", "Application/X-Zarr", ZARR),
        ("/a/store.zarr.zip", "application/vnd+zarr", ""),
        ("/a/store.zarr", "application/zip", ""),
        ("/a/store.zarr/zarr.json", V3, ""),
        ("/a/store.zarr/.zmetadata", "application/json", ""),
        ("/S2A.SAFE", None, SAFE),
        ("/S2A.SAFE/", "application/octet-stream", SAFE),
        ("/S2A.SAFE", "application/zip", ""),
        ("/S2A.SAFE/manifest.safe", None, ""),
        ("/S2A.SAFE/manifest.safe", "application/xml", ""),
        ("/scenes/", None, DIRECTORY),
        ("/scenes/", "application/x-directory", DIRECTORY),
        ("/download/17/", "image/tiff; application=geotiff", ""),
        ("/about/", "text/html", ""),
        ("/a.tif", None, ""),
        ("/a.zarr.tif", None, ""),
        ("/download?file=a.zarr", None, ""),
    ],
)
def test_a_directory_is_recognised_by_its_href_and_media_type(path, media_type, kind):
    assert kind_of_directory(HOST + path, media_type) == kind
    files = [f"{HOST}/a.tif", f"{HOST}/b"]
    assert not may_be_directories(files, {"image/tiff", None})
    if kind:  # among files it must not be overlooked
        assert may_be_directories([*files, HOST + path, *files], {"image/tiff", media_type})


@pytest.mark.parametrize(
    ("path", "media_type", "first", "found"),
    [
        ("/z.zarr", None, INDEX, "HTML"),
        ("/z.zarr", V3, b'{"zarr_format": 3}', "JSON"),
        ("/z.zarr", None, S3_LISTING, "XML"),
        ("/z.zarr", None, b"zarr.json\nc/0/0\n" * 30, "plain text"),
        ("/z.zarr", None, b"", "nothing"),
        ("/z.zarr", None, b"PK\3\4" + bytes(99), ""),
        ("/S2A.SAFE", None, INDEX, "HTML"),
        ("/S2A.SAFE", None, b"", "nothing"),
        ("/scenes/", None, INDEX, "HTML"),
        ("/scenes/", None, S3_LISTING, "XML"),
        ("/scenes/", None, b"", "nothing"),
        ("/statistics/", None, b'{"mean": 3}', ""),
        ("/download/17/", None, b"II*\0" + bytes(99), ""),
        ("/about/", "text/html", INDEX, ""),
        ("/note", None, INDEX, ""),
    ],
)
def test_what_a_server_sends_for_a_directory_is_no_file(path, media_type, first, found):
    href = HOST + path
    assert listed_instead(Answer(first, href), href, media_type, "item/key") == found


@pytest.mark.parametrize(
    ("href", "url", "media_type", "found"),
    [
        (f"{HOST}/scenes", f"{HOST}/scenes/", None, "HTML"),
        ("http://h.test/scenes?a=b", f"{HOST}/scenes/", None, "HTML"),
        (f"{HOST}/scenes", f"{HOST}/scenes/", "text/html", ""),
        ("https://doi.test/10.1/2", f"{HOST}/record/", None, ""),
    ],
)
def test_a_redirect_that_adds_a_slash_leads_to_a_directory(href, url, media_type, found):
    assert listed_instead(Answer(INDEX, url), href, media_type, "item/key") == found


def test_a_page_without_a_head_counts_by_its_content_type():
    href = f"{HOST}/scenes/"
    assert listed_instead(Answer(b"<pre><a href=", href), href, None, "key") == ""
    assert listed_instead(Answer(b"<pre><a href=", href, "text/html"), href, None, "key") == "HTML"


def test_the_refusal_says_what_the_asset_is_and_what_to_do():
    error = directory_error(f"{HOST}/z.zarr", "cube", f"{HOST}/z.zarr", None, "HTML")
    assert not error.retryable and error.kind == "directory"
    assert ZARR in error.message and "consolidated metadata" in error.message and "-x cube" in error.message
