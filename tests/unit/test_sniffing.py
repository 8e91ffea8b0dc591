"""Pages and error documents in place of data are refused by their first bytes; data of any format is not."""

import pytest

from mlhub_async.core.errors import Transient
from mlhub_async.core.formats.sniffing import SNIFF_BYTES, unexpected_text, wrong_content_error
from support.machine_speed import cpu_seconds_below

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
LOGIN = b"<!DOCTYPE html><html><body>Please log in</body></html>"
S3_ERROR = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'
JSON_ERROR = b'{"message": "Missing Authentication Token"}'
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
LFS, ANNEX = "a Git LFS pointer", "a git-annex pointer"
TIFF_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"


@pytest.mark.parametrize(
    ("first", "path", "media_type", "found"),
    [
        (LOGIN, "a.tif", None, "HTML"),
        (LOGIN, "a.TIFF", TIFF_TYPE, "HTML"),
        (b"\xef\xbb\xbf \r\n" + LOGIN, "a.jp2", None, "HTML"),
        (b"<!-- nginx --><head><title>502", "a.tif", None, "HTML"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C">', "a.tif", None, "HTML"),
        (b"\xff\xfe" + LOGIN.decode().encode("utf-16-le"), "a.tif", None, "HTML"),
        (b"<html><title>Anmeldung f\xfcr G\xe4ste", "a.tif", None, "HTML"),
        (LOGIN, "download", TIFF_TYPE, "HTML"),
        (LOGIN, "quicklook", "image/x-unheard-of", "HTML"),
        (LOGIN, "labels.geojson", "application/geo+json", "HTML"),
        (LOGIN, "table.csv", None, "HTML"),
        (LOGIN, "scene.img", None, "HTML"),
        (LOGIN, "scene.tar.gz", None, "HTML"),
        (JSON_ERROR, "scene.tar.gz", None, "JSON"),
        (JSON_ERROR, "scene.tar.gz", "application/gzip", "JSON"),
        (JSON_ERROR, "chips.tgz", None, "JSON"),
        (S3_ERROR, "scene.tif.gz", None, "XML"),
        (b"quota exceeded", "labels.geojson.gz", None, "plain text"),
        (S3_ERROR, "a.tif", None, "XML"),
        (b"<Error><Code>SlowDown</Code></Error>", "a.h5", None, "XML"),
        (S3_ERROR, "labels.geojson", None, "XML"),
        (S3_ERROR, "points.laz", None, "XML"),
        (JSON_ERROR, "a.tif", None, "JSON"),
        (JSON_ERROR, "a.parquet", None, "JSON"),
        (b'[{"code": 500}]', "a.zip", None, "JSON"),
        (POINTER, "a.png", None, LFS),
        (POINTER.replace(b"\n", b"\r\n"), "labels.geojson", None, LFS),
        (POINTER.replace(b"git-lfs", b"hawser"), "table.csv", None, LFS),
        (POINTER, "scene.img", None, LFS),
        (POINTER, "weights.safetensors", None, LFS),
        (POINTER, "metadata.xml", None, LFS),
        (b"/annex/objects/MD5E-s7340032--5e5e.tif\n", "a.tif", None, ANNEX),
        (b"../../.git/annex/objects/Xk/2p/SHA256E-s9--5e.nc/SHA256E-s9--5e.nc", "a.nc", None, ANNEX),
        (b"# xet version 0\nfilesize = 7340032\nhash = 'abc'\n", "a.zip", None, "a Xet pointer"),
        (b"upstream connect error", "a.tif", TIFF_TYPE, "plain text"),
        (b"Sorry, you cannot download this file at this time.", "a.h5", None, "plain text"),
        (b"Rate limit exceeded\n", "a.zip", None, "plain text"),
        (b"no healthy upstream", "labels.geojson", "application/geo+json", "plain text"),
        (b"Not found", "mosaic.vrt", None, "plain text"),
        (b"quota exceeded", "a.pdf", None, "plain text"),
        (b"quota exceeded", "a.gif", None, "plain text"),
        (b"quota exceeded", "points.copc.laz", None, "plain text"),
        (b"quota exceeded", "download", "image/png", "plain text"),
        (b"\n", "a.tif", None, "plain text"),
        (b" \r\n", "labels.geojson", None, "plain text"),
        ("Zugriff verweigert: Tageslimit überschritten".encode("latin-1"), "a.tif", None, "plain text"),
        ("quota exceeded".encode("utf-16"), "a.tif", None, "plain text"),
        ("容量を超えました".encode(), "a.tif", None, "plain text"),
        (b"please wait " * 99, "chips.tar", None, "plain text"),
        (b"\0" * SNIFF_BYTES, "a.tif", None, ""),
    ],
)
def test_text_in_place_of_data_is_named(first, path, media_type, found):
    assert unexpected_text(first, f"c/i/{path}", media_type) == found


@pytest.mark.parametrize(
    ("first", "path", "found"),
    [
        (b"Please log in", "a.tif", "HTML"),
        (b"Please log in", "a.csv", ""),
        (b"II*\0\x08\0\0\0", "a.tif", ""),
        (b"\0\1\2", "a.tif", ""),
        (S3_ERROR, "a.tif", "XML"),
        *((LOGIN, name, "HTML") for name in ("readme.txt", "README.md", "scene.tfw", "scene.prj", "a.xml")),
        (b"<div id=root></div>", "a.csv", "HTML"),
        (b"<noscript>Please enable JavaScript", "a.svg", "HTML"),
        (b"<h1>It works!</h1>", "scene.hdr", "HTML"),
        (b"<kml/>", "a.kml", ""),
        (b"1.0\n0.0\n", "scene.tfw", ""),
        (JSON_ERROR, "readme.txt", ""),
        *((LOGIN, name, "") for name in ("page.html", "metadata.php", "unknown", "a.unheard")),
    ],
)
@pytest.mark.parametrize("said", ["text/html", " Text/HTML; charset=utf-8", "application/xhtml+xml"])
def test_text_with_a_page_content_type_is_a_page_where_no_text_can_be(first, path, found, said):
    assert unexpected_text(first, f"c/i/{path}", None, said) == found


@pytest.mark.parametrize(
    ("first", "path", "media_type"),
    [
        (b"II*\0\x08\0\0\0", "a.tif", TIFF_TYPE),
        (b"MM\0+\0\x08\0\0", "a.tif", None),
        (PNG, "preview.tif", TIFF_TYPE),
        (PNG, "preview.jpg", "image/jpeg"),
        (b"\x89HDF\r\n\x1a\n", "a.nc", "application/netcdf"),
        (b"\x0e\x03\x13\x01", "MOD13.hdf", "application/x-hdf5"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "thumbnail.jpg", None),
        (b"SIMPLE  =                    T", "map.tif", None),
        (b"%PDF-1.7\n", "map.png", None),
        (b"\x17\xfe\0 of no known format", "a.tif", None),
        (b"\0" * 12, "a.tif", None),
        (b"\0" * 512, "a.h5", None),
        (b"made by a program with a user block ".ljust(512), "a.h5", None),
        (b"#!/bin/sh\n" + b"# unpacks itself\n" * 30, "a.zip", None),
        (b"#!/bin/sh\nexec unzip $0\nPK\3\4", "a.zip", None),
        (b"Content-Type: application/pdf\r\n\r\n%PDF-1.7\n", "a.pdf", None),
        (b"P3 2 2 255\n1 2 3\n", "a.png", None),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "a.png", None),
        (b"/* XPM */ static char", "icon", "image/x-xpixmap"),
        (POINTER, "pointer.txt", None),
        (POINTER, "notes", "text/plain"),
        (b"version 2 of the notes", "notes.xyz", None),
        (b"ENVI\ndescription = {", "scene.hdr", "image/tiff"),
        (b"<!DOCTYPE qgis><qgis/>", "style.xml", None),
        (b"<!-- made by hand --><kml/>", "a.kml", None),
        (b"NaN", "a.json", None),
        (b"-1.5", "a.json", None),
        (b"true\n", "a.json", None),
        (b"\xff\xfe" + bytes(range(32, 200)), "a.tif", None),
        (b"", "a.tif", None),
        (LOGIN, "page.html", None),
        (LOGIN, "page.txt", None),
        (LOGIN, "page", "text/plain"),
        (LOGIN, "page", "text/html"),
        (LOGIN, "metadata.php", None),
        (LOGIN, "page.tif", "text/html"),
        (LOGIN, "unknown.xyz", None),
        (LOGIN, "unknown", None),
        (S3_ERROR, "MTD_MSIL2A.xml", "application/xml"),
        (S3_ERROR, "manifest.safe", None),
        (S3_ERROR, "mosaic.vrt", TIFF_TYPE),
        (b"<svg xmlns='x'>", "icon.svg", "image/png"),
        (JSON_ERROR, "labels.geojson", None),
        (JSON_ERROR, "tiles", "application/json"),
        (b"id;label\n1;maize\n", "labels.csv.gz", None),
        (JSON_ERROR, "labels.json.gz", None),
        (JSON_ERROR, "unknown.gz", "application/gzip"),
        (b"II*\0\x08\0\0\0", "scene.tif.gz", None),
        (b"quota exceeded", "notes.txt.gz", None),
        (b"a/long/name/of/the/first/member.txt".ljust(100, b"\0") + b"0000644\0", "chips.tar", None),
        (b"TTAAii CCCC 010000 GRIB", "a.grib2", None),
        (b"1 2 3", "a.dat", None),
        (b"\xff\xd8\xff\xe0", "a.jpg.", None),
    ],
)
def test_data_of_another_format_than_declared_is_accepted(first, path, media_type):
    assert unexpected_text(first, f"c/i/{path}", media_type) == ""


@pytest.mark.parametrize("piece", [b"<!---->", b"<?xml?>", b"<!-- -->\n", b"<!--", b" \n"])
def test_no_body_takes_long_to_examine(piece):
    first = (piece * SNIFF_BYTES)[:SNIFF_BYTES]
    with cpu_seconds_below(1):
        assert unexpected_text(first, "a.tif") in ("XML", "plain text")


def test_a_dot_in_a_directory_name_is_no_suffix():
    assert unexpected_text(LOGIN, "c.tif/item/readme", None) == ""


def test_a_page_or_message_is_transient_but_an_error_document_or_pointer_is_permanent():
    assert isinstance(wrong_content_error("https://x.test/a.tif", "HTML"), Transient)
    final = wrong_content_error("https://x.test/a.tif", "XML")
    assert not final.retryable and final.kind == "wrong-content"
    assert isinstance(wrong_content_error("https://x.test/a.tif", "plain text"), Transient)
    assert not wrong_content_error("https://x.test/a.tif", LFS).retryable
    assert final.message == "https://x.test/a.tif: the server sent XML instead"
