"""The second origin: object storage that serves bytes, ranges and validators, and wants no credential."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from aiohttp import web

from . import geotiff, imagery, sample
from .config import Site

BASE = "/mlhub/"
_WRITTEN = "Wed, 02 Dec 2020 03:41:49 GMT"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)

DOCUMENTATION = "landcovernet/documentation.pdf"
_LABEL = re.compile(
    r"landcovernet/labels/(\w{5}_\d{1,4})/\1_(2018_LC_10m\.tif|labeling_dates\.csv)", re.ASCII
)
_SOURCE = re.compile(r"landcovernet/source/(\w{5}_\d{1,4})/\1_(\d{8})_([A-Z0-9]{3})_10m\.tif", re.ASCII)
# Pictures repeat after this many chips, so that a big catalogue is served from few deflated strips.
_LOOKS = 12


@dataclass(frozen=True, slots=True)
class Storage:
    """Answers for the bytes of a sample."""

    content: sample.Sample
    site: Site

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self._watch(request)
        found = stored(self.content, request.match_info["path"])
        if found is None:
            return web.Response(status=404, text="The specified blob does not exist.")
        return answer(found, request.headers)

    def _watch(self, request: web.Request) -> None:
        """Notes a request that brought a credential along."""
        brought = [
            name for name in ("Authorization", "Cookie", "Proxy-Authorization") if name in request.headers
        ]
        if "key" in request.query:
            brought.append("key in the query")
        if self.site.key in request.raw_path or any(self.site.key in v for v in request.headers.values()):
            brought.append("the API key")
        if brought:
            self.site.leaks.append(f"{request.method} {request.path}: {', '.join(brought)}")


def answer(found: Stored, headers: Mapping[str, str]) -> web.Response:
    """The response to a request with these headers. Conditions first, then the range, as HTTP orders them."""
    etag, total = f'"{found.md5.hex()}"', len(found.body)
    base = {"ETag": etag, "Last-Modified": _WRITTEN, "Accept-Ranges": "bytes"}
    if "If-Match" in headers and not _lists(headers["If-Match"], etag):
        return web.Response(status=412)
    if _unchanged(headers, etag):
        return web.Response(status=304, headers=base)
    base["Content-Type"] = found.media_type
    span = _span(headers, etag, total)
    if span is None:
        digest = base64.b64encode(found.md5).decode("ascii")
        return web.Response(body=found.body, headers={**base, "Content-MD5": digest})
    if not span:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{total}"})
    base["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{total}"
    return web.Response(status=206, body=found.body[span.start : span.stop], headers=base)


def _lists(condition: str, etag: str) -> bool:
    return condition.strip() == "*" or etag in (tag.strip() for tag in condition.split(","))


def _unchanged(headers: Mapping[str, str], etag: str) -> bool:
    if "If-None-Match" in headers:
        return _lists(headers["If-None-Match"].replace("W/", ""), etag)
    return headers.get("If-Modified-Since") == _WRITTEN


def _span(headers: Mapping[str, str], etag: str, total: int) -> range | None:
    """The bytes asked for: None for all of them, an empty range for none that exist."""
    match = _RANGE.fullmatch(headers.get("Range", "").strip())
    if match is None or match[0] == "bytes=-" or headers.get("If-Range", etag) not in (etag, _WRITTEN):
        return None
    if not match[1]:
        return range(max(0, total - int(match[2])), total)
    first, last = int(match[1]), int(match[2] or total - 1)
    if match[2] and last < first:
        return None
    return range(first, min(last + 1, total))


_COLOURS = ("000000", "0d0887", "a0a0a0", "d9b38c", "ffffff", "1b5e20", "f2c14e", "8bc34a")


@dataclass(frozen=True, slots=True)
class Stored:
    """One object of the storage origin."""

    body: bytes
    media_type: str
    md5: bytes


def path_of(place: sample.Place, key: str, stamp: str) -> str:
    """Where the bytes of an asset lie. All label items share one documentation."""
    name = sample.chip(place.chip).name
    if place.date >= 0:
        return f"landcovernet/source/{name}/{name}_{stamp}_{key}_10m.tif"
    if key == "documentation":
        return DOCUMENTATION
    return (
        f"landcovernet/labels/{name}/{name}_{'2018_LC_10m.tif' if key == 'labels' else 'labeling_dates.csv'}"
    )


@lru_cache(maxsize=128)
def stored(content: sample.Sample, path: str) -> Stored | None:
    """The object under this path, or None."""
    found = _made(content, path)
    return None if found is None else Stored(*found, hashlib.md5(found[0], usedforsecurity=False).digest())


def _made(content: sample.Sample, path: str) -> tuple[bytes, str] | None:
    if path == DOCUMENTATION:
        return documentation(), "application/pdf"
    if match := _LABEL.fullmatch(path):
        place = content.find(f"{sample.LABELS}_{match[1]}")
        if place is not None:
            return (
                (_label(place), "image/tiff") if match[2].endswith("tif") else (_dates(content), "text/csv")
            )
    if (match := _SOURCE.fullmatch(path)) and match[3] in imagery.KEYS:
        place = content.find(f"{sample.SOURCE}_{match[1]}_{match[2]}")
        if place is not None:
            return _imagery(content, place, match[3]), "image/tiff"
    return None


def _land(look: int) -> bytes:
    turns, number = divmod(look, imagery.LANDSCAPES)
    return imagery.rotated(imagery.turned(imagery.landscape(number), turns), look * 21_001 % imagery.PIXELS)


def landscape_of(place: sample.Place) -> int:
    return place.chip % _LOOKS % imagery.LANDSCAPES


def cloudiness(place: sample.Place) -> int:
    """How many of every 256 pixels are under cloud: a third of the dates are clear."""
    roll = (place.chip % _LOOKS * 7 + place.date * 5) % 9
    return max(0, roll - 2) ** 2 * 2


@lru_cache(maxsize=_LOOKS)
def _label_strip(look: int) -> bytes:
    return geotiff.deflated(_land(look).translate(bytes(i >> 5 for i in range(256))))


@lru_cache(maxsize=640)
def _band_strip(look: int, key: str, cover: int, day: int) -> bytes:
    sky = imagery.rotated(imagery.clouds(), (look * 9_001 + day * 257) % imagery.PIXELS)
    return geotiff.deflated(imagery.band(key, _land(look), sky, cover, day))


def _raster(place: sample.Place, strip: bytes, bits: int, description: str) -> geotiff.Raster:
    chip = sample.chip(place.chip)
    east, north = chip.corner
    return geotiff.Raster(
        strip, bits, chip.tile.epsg, east, north, f"LandCoverNet sample {chip.name} {description}"
    )


def _label(place: sample.Place) -> bytes:
    raster = _raster(place, _label_strip(place.chip % _LOOKS), 8, "2018 land cover")
    return geotiff.encoded(raster, _palette())


def _palette() -> tuple[int, ...]:
    channels = [[int(colour[at : at + 2], 16) * 257 for colour in _COLOURS] for at in (0, 2, 4)]
    return tuple(value for channel in channels for value in (*channel, *[0] * (256 - len(channel))))


def _imagery(content: sample.Sample, place: sample.Place, key: str) -> bytes:
    day = content.moment(place.date).timetuple().tm_yday
    strip = _band_strip(place.chip % _LOOKS, key, cloudiness(place), day)
    return geotiff.encoded(
        _raster(place, strip, 16 if key in imagery.BANDS else 8, f"{content.stamp(place.date)} {key}")
    )


def _dates(content: sample.Sample) -> bytes:
    rows = [f"{date},{content.moment(date):%Y-%m-%d}" for date in range(content.dates)]
    return "\n".join(["number,date", *rows, ""]).encode()


@lru_cache(maxsize=1)
def documentation() -> bytes:
    """A one-page PDF."""
    lines = [
        "LandCoverNet sample",
        "Made-up data in the shape of LandCoverNet v1:",
        "no real place looks like this.",
    ]
    text = "BT /F1 18 Tf 72 720 Td 28 TL " + " ".join(f"({line}) Tj T*" for line in lines) + " ET"
    storage = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R "
        "/Resources << /Font << /F1 4 0 R >> >> >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        f"<< /Length {len(text)} >>\nstream\n{text}\nendstream",
    ]
    out, places = "%PDF-1.4\n", []
    for number, body in enumerate(storage, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    start, size = len(out), len(storage) + 1
    out += f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\n"
    return f"{out}startxref\n{start}\n%%EOF\n".encode("ascii")
