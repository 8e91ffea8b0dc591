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
    "members.gz": _gzip() + _gzip(),
    "labels.geojson": b'{"type": "FeatureCollection", "features": []}\n',
    "nan.geojson": b'\xef\xbb\xbf[NaN, -Infinity, "\\ud800"]',
    "wide.geojson": '{"a": [1]}'.encode("utf-16"),
}
PADDED = {"cog.tif": 4, "one.nc": 2, "two.nc": 2, "five.nc": 2, "labels.geojson": 1, "empty.zip": 0}
"""Bytes at the end that mean nothing, so that nobody can miss them."""
