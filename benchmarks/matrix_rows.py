"""The rows of the fault matrix: the fault that one file of three meets, and the bytes that can be had.

The server is the scripted one of the tests: real sockets, a list of faults per URL.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.server import (
    Change,
    CloseDelimited,
    Cut,
    Fault,
    Gone,
    Gzip,
    IgnoreIfRange,
    IgnoreRange,
    Reply,
    Site,
    Stall,
    Status,
    html,
    tif,
)
from support.stac_server import sizes_and_digests, stac_item

SIZE = 4_000_000
HALF = SIZE // 2
OLD, NEW = tif(SIZE, 1), tif(SIZE, 2)
KNOWN = sizes_and_digests(OLD)
EARLIER = HALF - 50_000
SHIFTED = Status(
    206,
    body=OLD[EARLIER:],
    content_type="image/tiff",
    headers=(("Content-Range", f"bytes {EARLIER}-{SIZE - 1}/{SIZE}"), ("ETag", '"1"')),
)
Plan = Fault | tuple[Fault, ...]


@dataclass(frozen=True)
class FlipBit(Fault):
    """Flips one bit of the body, also of a partial response."""

    def answered(self, reply: Reply) -> None:
        if reply.status in (200, 206) and reply.body:
            body = bytearray(reply.body)
            body[len(body) // 2] ^= 1
            reply.body = bytes(body)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `faults` occur once each, `always` in every response.

    `published`: fields of the asset in the catalogue. `stop`: the client gets this signal in the middle of
    the file and is then started again. `right`: the bytes that it should have at the end; None: they cannot
    be had, and it should report a failure.
    """

    name: str
    faults: Sequence[Plan] = ()
    always: Sequence[Fault] = ()
    published: Mapping[str, Any] = field(default_factory=dict)
    stop: signal.Signals | None = None
    right: bytes | None = OLD


ROWS = (
    Row("no fault"),
    Row("cut half way", [Cut(HALF)]),
    Row("cut by a reset, three times", [Cut(HALF, rst=True)] * 3),
    Row("cut, and Range is ignored", [Cut(HALF)], [IgnoreRange()]),
    Row("cut, the rest has another offset", [Cut(HALF), SHIFTED]),
    Row("cut, the object has changed", [Cut(HALF), Change(NEW, '"2"')], right=NEW),
    Row("the same, If-Range ignored", [Cut(HALF), Change(NEW, '"2"')], [IgnoreIfRange()], right=NEW),
    Row("cut, no length, size published", [(CloseDelimited(), Cut(HALF))], published={"file:size": SIZE}),
    Row("stalls half way", [Stall(HALF)]),
    Row("no answer, connection closed, twice", [Gone("fin"), Gone("rst")]),
    Row("429 twice, Retry-After", [Status(429, retry_after=1)] * 2),
    Row("503 twice, Retry-After", [Status(503, retry_after=1)] * 2),
    Row("404", always=[Status(404)], right=None),
    Row("a login page (200) for a TIFF", always=[html()], right=None),
    Row("a maintenance page (200), once", [html()]),
    Row(
        "an empty answer, size published",
        always=[Status(200, body=b"")],
        published={"file:size": SIZE},
        right=None,
    ),
    Row("gzip that was not requested", always=[Gzip()]),
    Row("a bit flips once, digest published", [FlipBit()], published=KNOWN),
    Row("a bit always flips, digest published", always=[FlipBit()], published=KNOWN, right=None),
    Row("Ctrl-C half way, run again", [Stall(HALF)], stop=signal.SIGINT),
    Row("kill -9 half way, run again", [Stall(HALF)], stop=signal.SIGKILL),
    Row(
        "Ctrl-C, object changes, run again", [Stall(HALF), Change(NEW, '"2"')], stop=signal.SIGINT, right=NEW
    ),
    Row(
        "kill -9, object changes, run again",
        [Stall(HALF), Change(NEW, '"2"')],
        stop=signal.SIGKILL,
        right=NEW,
    ),
)
SOUND = {"first": tif(60_000, 3), "third": tif(60_000, 4)}
FAULTY = "second"


@dataclass(frozen=True, slots=True)
class Scene:
    """One row set up for one client: the URL of the catalogue, and the URL of each file by item."""

    items: str
    urls: Mapping[str, str]
    row: Row


def stage(site: Site, row: Row, prefix: str) -> Scene:
    """Put the three files and their catalogue below /prefix/."""
    about: dict[str, Any] = {"content_type": "image/tiff", "etag": '"1"'}
    urls = {name: site.put(f"/{prefix}/{name}/data.tif", body, **about) for name, body in SOUND.items()}
    faulty = site.put(f"/{prefix}/{FAULTY}/data.tif", OLD, faults=row.faults, always=row.always, **about)
    urls[FAULTY] = faulty
    published = {FAULTY: dict(row.published)}
    items = [
        stac_item(name, data={"href": urls[name], "type": "image/tiff", **published.get(name, {})})
        for name in sorted(urls)
    ]
    catalogue = {"type": "FeatureCollection", "features": items}
    return Scene(site.json(f"/{prefix}/items.json", catalogue), urls, row)
