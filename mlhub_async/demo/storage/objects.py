"""The storage origin: serves the assets with ranges and validators, and takes no credentials."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from aiohttp import web

from .. import geotiff, imagery, sample
from ..config import Site

BASE = "/mlhub/"
_LAST_MODIFIED = "Wed, 02 Dec 2020 03:41:49 GMT"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)

DOCUMENTATION_PATH = "landcovernet/documentation.pdf"
_LABEL_PATH = re.compile(
    r"landcovernet/labels/(\w{5}_\d{1,4})/\1_(2018_LC_10m\.tif|labeling_dates\.csv)", re.ASCII
)
_SOURCE_PATH = re.compile(r"landcovernet/source/(\w{5}_\d{1,4})/\1_(\d{8})_([A-Z0-9]{3})_10m\.tif", re.ASCII)
_VARIANTS = 12
"""Images repeat after so many chips: a large sample is served from few compressed strips in memory."""
_COLOURS = ("000000", "0d0887", "a0a0a0", "d9b38c", "ffffff", "1b5e20", "f2c14e", "8bc34a")
"""The palette of the label images, by class."""


@dataclass(frozen=True, slots=True)
class Storage:
    """The request handler for the assets of a sample."""

    content: sample.Sample
    site: Site

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self._note_leak(request)
        found = find_object(self.content, request.match_info["path"])
        if found is None:
            return web.Response(status=404, text="The specified blob does not exist.")
        return respond(found, request.headers)

    def _note_leak(self, request: web.Request) -> None:
        """Records a request that sent a credential."""
        sent = [
            name for name in ("Authorization", "Cookie", "Proxy-Authorization") if name in request.headers
        ]
        if "key" in request.query:
            sent.append("key in the query")
        if self.site.key in request.raw_path or any(self.site.key in v for v in request.headers.values()):
            sent.append("the API key")
        if sent:
            self.site.leaks.append(f"{request.method} {request.path}: {', '.join(sent)}")


def respond(found: StoredObject, headers: Mapping[str, str]) -> web.Response:
    """The response to a request with these headers: conditions first, then the range (RFC 9110, 13.2.2)."""
    etag, total = f'"{found.md5.hex()}"', len(found.body)
    base = {"ETag": etag, "Last-Modified": _LAST_MODIFIED, "Accept-Ranges": "bytes"}
    if "If-Match" in headers and not _etag_matches(headers["If-Match"], etag):
        return web.Response(status=412)
    if _is_unmodified(headers, etag):
        return web.Response(status=304, headers=base)
    base["Content-Type"] = found.media_type
    span = _requested_range(headers, etag, total)
    if span is None:
        digest = base64.b64encode(found.md5).decode("ascii")
        return web.Response(body=found.body, headers={**base, "Content-MD5": digest})
    if not span:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{total}"})
    base["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{total}"
    return web.Response(status=206, body=found.body[span.start : span.stop], headers=base)


def _etag_matches(condition: str, etag: str) -> bool:
    return condition.strip() == "*" or etag in (tag.strip() for tag in condition.split(","))


def _is_unmodified(headers: Mapping[str, str], etag: str) -> bool:
    if "If-None-Match" in headers:
        return _etag_matches(headers["If-None-Match"].replace("W/", ""), etag)
    return headers.get("If-Modified-Since") == _LAST_MODIFIED


def _requested_range(headers: Mapping[str, str], etag: str, total: int) -> range | None:
    """The requested bytes: None for all of them, an empty range for none that exist."""
    match = _RANGE.fullmatch(headers.get("Range", "").strip())
    if match is None or match[0] == "bytes=-" or headers.get("If-Range", etag) not in (etag, _LAST_MODIFIED):
        return None
    if not match[1]:
        return range(max(0, total - int(match[2])), total)
    first, last = int(match[1]), int(match[2] or total - 1)
    if match[2] and last < first:
        return None
    return range(first, min(last + 1, total))


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of the storage origin; its ETag is the MD5 of the body, as in an object store."""

    body: bytes
    media_type: str
    md5: bytes


def path_of(key: sample.ItemKey, asset: str, stamp: str) -> str:
    """The path of an asset below `BASE`. All label items share one documentation."""
    name = sample.chip_at(key.chip).name
    if key.date >= 0:
        return f"landcovernet/source/{name}/{name}_{stamp}_{asset}_10m.tif"
    if asset == "documentation":
        return DOCUMENTATION_PATH
    file = "2018_LC_10m.tif" if asset == "labels" else "labeling_dates.csv"
    return f"landcovernet/labels/{name}/{name}_{file}"


@lru_cache(maxsize=128)
def find_object(content: sample.Sample, path: str) -> StoredObject | None:
    """The object at this path, or None."""
    found = _generate(content, path)
    return (
        None if found is None else StoredObject(*found, hashlib.md5(found[0], usedforsecurity=False).digest())
    )


def _generate(content: sample.Sample, path: str) -> tuple[bytes, str] | None:
    if path == DOCUMENTATION_PATH:
        return documentation(), "application/pdf"
    if match := _LABEL_PATH.fullmatch(path):
        key = content.find(f"{sample.LABELS}_{match[1]}")
        if key is not None and match[2].endswith("tif"):
            return _label_image(key), "image/tiff"
        if key is not None:
            return _dates_csv(content), "text/csv"
    if (match := _SOURCE_PATH.fullmatch(path)) and match[3] in imagery.KEYS:
        key = content.find(f"{sample.SOURCE}_{match[1]}_{match[2]}")
        if key is not None:
            return _band_image(content, key, match[3]), "image/tiff"
    return None


def _landscape(variant: int) -> bytes:
    orientation, number = divmod(variant, imagery.LANDSCAPES)
    image = imagery.reorient(imagery.landscape(number), orientation)
    return imagery.rotate(image, variant * 21_001 % imagery.PIXELS)


def landscape_of(key: sample.ItemKey) -> int:
    """The number of the landscape that a chip shows."""
    return key.chip % _VARIANTS % imagery.LANDSCAPES


def cloudiness(key: sample.ItemKey) -> int:
    """The pixels of every 256 that are cloudy; a third of the dates have no clouds."""
    step = (key.chip % _VARIANTS * 7 + key.date * 5) % 9
    return max(0, step - 2) ** 2 * 2


@lru_cache(maxsize=_VARIANTS)
def _label_strip(variant: int) -> bytes:
    return geotiff.deflate(imagery.classes(_landscape(variant)))


@lru_cache(maxsize=640)
def _band_strip(variant: int, band: str, cover: int, day: int) -> bytes:
    clouds = imagery.rotate(imagery.clouds(), (variant * 9_001 + day * 257) % imagery.PIXELS)
    return geotiff.deflate(imagery.render_band(band, _landscape(variant), clouds, cover, day))


def _raster(key: sample.ItemKey, strip: bytes, bits: int, description: str) -> geotiff.Raster:
    chip = sample.chip_at(key.chip)
    east, north = chip.corner
    return geotiff.Raster(
        strip, bits, chip.tile.epsg, east, north, f"LandCoverNet sample {chip.name} {description}"
    )


def _label_image(key: sample.ItemKey) -> bytes:
    raster = _raster(key, _label_strip(key.chip % _VARIANTS), 8, "2018 land cover")
    return geotiff.encode(raster, _palette())


def _palette() -> tuple[int, ...]:
    """`_COLOURS` in the form of a TIFF ColorMap."""
    channels = [[int(colour[at : at + 2], 16) * 257 for colour in _COLOURS] for at in (0, 2, 4)]
    return tuple(value for channel in channels for value in (*channel, *[0] * (256 - len(channel))))


def _band_image(content: sample.Sample, key: sample.ItemKey, band: str) -> bytes:
    day = content.datetime_of(key.date).timetuple().tm_yday
    strip = _band_strip(key.chip % _VARIANTS, band, cloudiness(key), day)
    bits = 16 if band in imagery.BANDS else 8
    return geotiff.encode(_raster(key, strip, bits, f"{content.date_stamp(key.date)} {band}"))


def _dates_csv(content: sample.Sample) -> bytes:
    rows = [f"{date},{content.datetime_of(date):%Y-%m-%d}" for date in range(content.dates)]
    return "\n".join(["number,date", *rows, ""]).encode()


@lru_cache(maxsize=1)
def documentation() -> bytes:
    """A one-page PDF."""
    lines = [
        "LandCoverNet sample",
        "Generated data in the shape of LandCoverNet v1:",
        "it does not show a real place.",
    ]
    text = "BT /F1 18 Tf 72 720 Td 28 TL " + " ".join(f"({line}) Tj T*" for line in lines) + " ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R "
        "/Resources << /Font << /F1 4 0 R >> >> >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        f"<< /Length {len(text)} >>\nstream\n{text}\nendstream",
    ]
    out, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    start, size = len(out), len(objects) + 1
    out += f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\n"
    return f"{out}startxref\n{start}\n%%EOF\n".encode("ascii")
