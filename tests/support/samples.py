"""Small files of every format that is checked, made by the programs that people use."""

from __future__ import annotations

import base64
import io
import json
import zipfile
import zlib
from pathlib import Path

_DATA = json.loads((Path(__file__).parent / "data" / "formats.json").read_text())


def _zip(large: bool = False) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("labels/a.txt", "labels/b.txt"):
            with archive.open(name, "w", force_zip64=large) as member:
                member.write(name.encode() * 20)
        archive.comment = b"PK\5\6 is how an end record begins" if large else b""
    return file.getvalue()


def _gzip() -> bytes:
    pack = zlib.compressobj(wbits=31)
    return pack.compress(b"id,label\n" * 40) + pack.flush()


SAMPLES: dict[str, bytes] = {
    **{name: zlib.decompress(base64.b64decode(text)) for name, text in _DATA["files"].items()},
    "members.zip": _zip(),
    "large.zip": _zip(large=True),
    "empty.zip": b"PK\5\6" + bytes(18),
    "installer.zip": b"PK\3\4 of the program that unpacks it" + _zip(),
    "table.csv.gz": _gzip(),
    "members.gz": _gzip() * 3,
    "labels.geojson": b'{"type": "FeatureCollection", "features": []}\n',
    "nan.geojson": b'\xef\xbb\xbf[NaN, -Infinity, "\\ud800"]',
    "wide.geojson": '{"a": [1]}'.encode("utf-16"),
}
MADE_BY: dict[str, str] = {name: "Python" for name in SAMPLES} | _DATA["made_by"]
"""The program that made each of them."""
PADDED = {
    **{"cog.tif": 0, "one.nc": 2, "two.nc": 2, "five.nc": 2, "labels.geojson": 1, "imagej-pages.tif": 16},
    **{"chips.tar": 2560, "pax.tar": 6144, "scene.hdf": 1, "still.bmp": 1, "palette.bmp": 3, "points.dbf": 1},
    **{"updated.pdf": 1},
}
"""Bytes at the end that mean nothing, so that nobody can miss them."""
UNDECODED = {"points.laz": 5}
"""Bytes at the end whose absence shows only to who decodes what is before them."""
UNCHECKED = {"scene.img", "still.jxl", "halves-m.h5"}
"""Files that do not tell where they end, or in a way that is not looked into."""
BETWEEN_PARTS: dict[str, set[int]] = {
    "members.gz": {1, 34, 68},
    "frames.csv.zst": {310, 620},
    "message.grib": {1100, 2200},
    "message.grib2": {1171, 2342},
    "stream.arrow": {176, 2512},
    "updated.pdf": {1386, 1387},
    "imagej.tif": {*range(508, 525)},
    "shaped.tif": {*range(428, 445)},
    "first-00000.h5": {*range(1, 8)},
    "first-latest-00000.h5": {*range(1, 8)},
    "table.csv.gz": {1},
}
"""Sizes at which what is left is a whole file too, of fewer parts: nobody can tell that there were more."""
