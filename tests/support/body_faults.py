"""The table of what a server can do to a body, and what must come of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from mlhub_async.transfer.resume import OVERLAP_BYTES
from support.command import Program
from support.mirrored import Mirrored
from support.server import (
    Background,
    Change,
    Chunked,
    CloseDelimited,
    ContentRange,
    Cut,
    Drip,
    Endless,
    Etag,
    Fault,
    Flip,
    Gone,
    Gzip,
    HangUp,
    Headers,
    IgnoreIfRange,
    IgnoreRange,
    Informational,
    Length,
    Raw,
    Stall,
    Status,
    StatusOf,
    UpTo,
    header_bomb,
    html,
    redirect,
    tif,
)
from support.stac_server import sizes_and_digests, stac_item, static_catalog
from support.wire_format import Seen

OFFERED = b"the very bytes that are offered at first"
STRONG = {"etag": '"1"'}
LONG_AGO = {"last_modified": 1e9}
UNREADABLE = 4
"""Requests for what is never valid HTTP: three attempts, the first of them by both transports."""
NO_BODY = b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"


@dataclass
class Case:
    """`faults` come once each, `always` without end; `says` is what the catalogue knows of the asset."""

    faults: list[Any] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=lambda: STRONG)
    says: dict[str, Any] = field(default_factory=dict)
    always: list[Fault] = field(default_factory=list)
    body: bytes = OFFERED
    asked: list[str | None] | None = None
    requests: int | None = None
    final: bytes | None = OFFERED
    href: Callable[[str], Any] | None = None


def cases(size: int) -> dict[str, Case]:
    """The table for bodies of so many bytes."""
    old, new, short = tif(size, 1), tif(size, 2), tif(size // 4, 3)
    half, chunks = size // 2, size * 2 // 5 // 4096
    known, sized = sizes_and_digests(old), {"file:size": size}
    from_half = f"bytes={half}-"
    resumed, anew = [None, from_half], [None, from_half, None]
    again = half - OVERLAP_BYTES
    compared = [None, f"bytes={again}-{half - 1}", from_half] if again > 0 else [None, None]
    whole = (("Content-Range", f"bytes 0-{size - 1}/{size}"),)
    several = b"--x\r\nContent-Range: bytes %d-%d/%d\r\n\r\nhello\r\n--x--" % (half, half + 4, size)
    table = {
        "a plain body": Case(asked=[None]),
        "cut by FIN, resumed": Case([Cut(half)], asked=resumed),
        "cut by RST, resumed": Case([Cut(half, rst=True)], asked=resumed),
        "cut nine times with progress": Case([Cut(size * 11 // 100)] * 9, requests=10),
        "cut at the first byte": Case([Cut(0)], asked=[None, None]),
        "cut before the last byte": Case([Cut(size - 1)], asked=[None, f"bytes={size - 1}-"]),
        "cut, only an old Last-Modified": Case([Cut(half)], LONG_AGO, asked=compared),
        "cut, only a weak ETag": Case([Cut(half)], {"etag": 'W/"1"'}, asked=[None, None]),
        "cut, no validator": Case([Cut(half)], {}, asked=[None, None]),
        "cut, an ETag without quotes": Case([Cut(half)], {"etag": "abc"}, asked=[None, None]),
        "cut, Last-Modified just now": Case(
            [Cut(half)], {"last_modified": time.time() + 3600}, asked=[None, None]
        ),
        "cut, no Range understood": Case([Cut(half)], always=[IgnoreRange()], asked=resumed),
        "cut, changed meanwhile": Case([Cut(half), Change(new, '"2"')], asked=resumed, final=new),
        "cut, changed, If-Range ignored": Case(
            [Cut(half), Change(new, '"2"')], always=[IgnoreIfRange()], asked=anew, final=new
        ),
        "cut, changed to shorter, If-Range ignored": Case(
            [Cut(half), Change(short, '"2"')], always=[IgnoreIfRange()], asked=anew, final=short
        ),
        "cut, changed without ETag afterwards": Case(
            [Cut(half), Change(new, None)], always=[IgnoreIfRange()], says=sizes_and_digests(new), final=new
        ),
        "cut, wrong start in Content-Range": Case(
            [Cut(half), ContentRange(f"bytes 0-{size - 1}/{size}")], asked=anew
        ),
        "cut, wrong total in Content-Range": Case(
            [Cut(half), ContentRange(f"bytes {half}-{size - 1}/{size + 1}")], asked=anew
        ),
        "cut, 206 without Content-Range": Case([Cut(half), ContentRange(None)], asked=anew),
        "cut, garbage in Content-Range": Case([Cut(half), ContentRange("bytes x-y/z")], asked=anew),
        "cut, a part that says it is one of several": Case(
            [Cut(half), Status(206, body=several, content_type="multipart/byteranges; boundary=x")],
            asked=anew,
        ),
        "cut, less than the rest in good order": Case(
            [Cut(half), UpTo(half + size // 4 - 1)], asked=[None, from_half, f"bytes={half + size // 4}-"]
        ),
        "cut, the rest compressed": Case([Cut(half), Gzip()], asked=anew),
        "cut, 412": Case([Cut(half), Status(412)], asked=anew),
        "cut, 416 although bytes are missing": Case(
            [Cut(half), Status(416, headers=(("Content-Range", f"bytes */{half}"),))], asked=anew
        ),
        "cut, the rest cut too": Case(
            [Cut(half), Cut(half // 2)], asked=[None, from_half, f"bytes={half * 3 // 2}-"]
        ),
        "200 with a Content-Range": Case([Headers(whole)], requests=1),
        "200 whose Content-Range says more than comes": Case(
            [Status(200, body=old[:half], headers=whole)], requests=2
        ),
        "cut, then 200 of the head, of an unknown total": Case(
            [Cut(half), Status(200, body=old[:half], headers=(("Content-Range", f"bytes 0-{half - 1}/*"),))],
            asked=anew,
        ),
        "cut, then 206 of the whole": Case([Cut(half), Status(206, body=old, headers=whole)], asked=resumed),
        "cut, then 206 from before the cut": Case(
            [
                Cut(half),
                Status(206, body=old[5:], headers=(("Content-Range", f"bytes 5-{size - 1}/{size}"),)),
            ],
            asked=anew,
        ),
        "cut, then 206 of the head": Case(
            [
                Cut(half),
                Status(206, body=old[:half], headers=(("Content-Range", f"bytes 0-{half - 1}/{size}"),)),
            ],
            asked=anew,
        ),
        "206 of the whole although nobody asked for a range": Case(
            always=[Status(206, body=old, headers=whole)], requests=1
        ),
        "cut, the rest as 200 with its Content-Range": Case([Cut(half), StatusOf(200)], asked=resumed),
        "cut, the rest as 200 of another version": Case(
            [Cut(half), (Change(new, '"2"'), IgnoreIfRange(), StatusOf(200))], asked=anew, final=new
        ),
        "cut, the head as 200 with its Content-Range": Case(
            [
                Cut(half),
                Status(200, body=old[:half], headers=(("Content-Range", f"bytes 0-{half - 1}/{size}"),)),
            ],
            asked=anew,
        ),
        "200 with the Content-Range of a part": Case(
            [Status(200, body=old[5:], headers=(("Content-Range", f"bytes 5-{size - 1}/{size}"),))],
            requests=2,
        ),
        "206 although nobody asked for a range": Case(
            [Status(206, body=old[5:], headers=(("Content-Range", f"bytes 5-{size - 1}/{size}"),))]
        ),
        "ETag flaps with every node": Case([(Etag(f'"{n}"'), Cut(half)) for n in range(3)], requests=4),
        "chunked": Case(always=[Chunked(999)]),
        "chunked, cut in a chunk": Case(
            [(Chunked(4096), Cut(4104 * chunks + 6 + 5))], asked=[None, f"bytes={4096 * chunks + 5}-"]
        ),
        "chunked, cut between chunks": Case(
            [(Chunked(4096), Cut(4104 * chunks))], asked=[None, f"bytes={4096 * chunks}-"]
        ),
        "chunked garbage": Case(
            [Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")], requests=2
        ),
        "close-delimited, size known": Case(says=sized, always=[CloseDelimited()]),
        "close-delimited and cut, size known": Case([(CloseDelimited(), Cut(half))], says=sized),
        "close-delimited and reset, digest known": Case(
            [(CloseDelimited(), Cut(half, rst=True))], says=known
        ),
        "closed before any head": Case([Gone("fin"), Gone("rst")]),
        "a good answer, then the connection is gone": Case([HangUp("rst")], requests=1),
        "no head for too long": Case([Gone("hang")], requests=2),
        "stalls in the middle": Case([Stall(half)], asked=resumed),
        "drips, but fast enough": Case([Drip(0.02, size // 20)], requests=1),
        "Content-Length too long": Case([Length(+10)]),
        "Content-Length too short": Case([Length(-10)], says={"file:checksum": known["file:checksum"]}),
        "Content-Length against the catalogue": Case(always=[Length(-10)], says=sized, final=None),
        "two Content-Lengths that differ": Case([Headers((("Content-Length", "7"),))]),
        "chunks and a Content-Length": Case([(Chunked(), Headers((("Content-Length", "7"),)))], requests=2),
        "1xx before the answer": Case([Informational(5)], requests=1),
        "1xx without end": Case([Raw(b"HTTP/1.1 103 Soon\r\n\r\n" * 1000, "hang")], requests=2),
        "garbage instead of HTTP": Case([Raw(b"\x00\xff\xfenot http at all\r\n\r\n")]),
        "HTTP/0.9": Case([Raw(b"<html>hello</html>")]),
        "headers without end": Case(always=[header_bomb(300, 4000)], requests=UNREADABLE, final=None),
        "a thousand headers": Case(always=[header_bomb(1000, 10)], requests=UNREADABLE, final=None),
        "a header of a megabyte": Case(always=[header_bomb(1, 1 << 20)], requests=UNREADABLE, final=None),
        "500 twice": Case([Status(500), Status(502)], requests=3),
        "504 and 520": Case([Status(504), Status(520)], requests=3),
        "521 and 523": Case([Status(521), Status(523)], requests=3),
        "522 and 524": Case([Status(522), Status(524)], requests=3),
        "408": Case([Status(408)], requests=2),
        "404": Case(always=[Status(404)], final=None),
        "410": Case(always=[Status(410)], requests=1, final=None),
        "403": Case(always=[Status(403)], final=None),
        "501": Case(always=[Status(501)], requests=1, final=None),
        "505": Case(always=[Status(505)], requests=1, final=None),
        "204": Case(always=[Status(204, body=b"")], requests=1, final=None),
        "204 with a body": Case(always=[Raw(NO_BODY)], requests=UNREADABLE, final=None),
        "205": Case(always=[Status(205)], requests=1, final=None),
        "412": Case([Status(412)], requests=2),
        "304 without a condition": Case(always=[Status(304, body=b"")], final=None),
        "300": Case(always=[Status(300)], requests=1, final=None),
        "a login page": Case(always=[html()], final=None),
        "a login page once": Case([html()]),
        "a login page that says it is a TIFF": Case(
            always=[Status(200, body=b"<!DOCTYPE html><html>", content_type="image/tiff")], final=None
        ),
        "an XML error with 200": Case(
            always=[Status(200, body=b"<?xml version='1.0'?><Error/>", content_type="application/xml")],
            final=None,
        ),
        "gzip although identity was asked": Case(always=[Gzip()], says=known),
        "gzip without its end": Case([Gzip(lose=9)], says=known),
        "a flipped bit, healed": Case([Flip(5000)], says=known, requests=2),
        "a flipped bit in the resumed part": Case([Cut(half), Flip(5)], says=known),
        "a bit that always flips": Case(always=[Flip(5000)], says=known, requests=2, final=None),
        "a wrong digest in the catalogue": Case(says={"file:checksum": "1220" + "ab" * 32}, final=None),
        "a wrong size in the catalogue": Case(says={"file:size": 5}, final=None),
        "a digest that cannot be right": Case(says={"file:checksum": "12149f86"}),
        "an unknown kind of digest": Case(says={"file:checksum": "d5031055"}),
        "endless, size known": Case(always=[Endless()], says=sized, final=None),
        "endless without framing, size known": Case(always=[Endless("close")], says=sized, final=None),
        "an empty file": Case(body=b"", says={"file:size": 0}, final=b""),
        "an empty answer for a file that is not": Case(body=b"", says=sized, final=None),
        "redirect in a circle": Case(always=[redirect("/redirect-in-a-circle.tif")], requests=1, final=None),
        "redirect without Location": Case(always=[Status(302)], requests=1, final=None),
        "redirect to a file": Case(always=[redirect("file:///etc/passwd")], requests=1, final=None),
        "redirect with a password": Case(
            always=[redirect("http://u:p@127.0.0.1:1/x.tif")], requests=1, final=None
        ),
        "cookies and odd headers": Case(
            [Headers((("Set-Cookie", "a=b; Domain=localhost"), ("X-Odd", "é\x80")))]
        ),
        "a Content-Disposition that points out": Case(
            always=[Headers((("Content-Disposition", 'attachment; filename="../../evil.tif"'),))]
        ),
        "no href": Case(href=lambda url: None, requests=0, final=None),
        "an href that is no string": Case(href=lambda url: 7, requests=0, final=None),
        "an empty href": Case(href=lambda url: "", requests=0, final=None),
        "a data href": Case(href=lambda url: "data:text/plain,x", requests=0, final=None),
        "an ftp href": Case(href=lambda url: url.replace("http", "ftp"), requests=0, final=None),
        "a password in the href": Case(href=lambda url: url.replace("//", "//u:p@"), requests=0, final=None),
        "a line break in the href": Case(href=lambda url: url + "\r\nX-Evil: 1", requests=0, final=None),
        "an href without a host": Case(href=lambda url: "http:///x.tif", requests=0, final=None),
    }
    for case in table.values():
        case.body = old if case.body is OFFERED else case.body
        case.final = old if case.final is OFFERED else case.final
    return table


def path_of(name: str) -> str:
    return "/" + "".join(c if c.isascii() and c.isalnum() else "-" for c in name) + ".tif"


def item_of(name: str) -> str:
    return path_of(name)[1:-4]


@dataclass
class Ran:
    """The one run that all cases were part of."""

    mirror: Mirrored
    requests: dict[str, list[Seen]]
    code: int
    err: str


def all_in_one(table: dict[str, Case], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """Mirror one asset for each case; the servers are there for as long as somebody looks at it."""
    home = tmp_path_factory.mktemp("home")
    program = Program(home)
    dest = tmp_path_factory.mktemp("mirror")
    with Background() as sites:
        items, requests = [], {}
        for name, case in table.items():
            site = sites.site()
            url = site.put(path_of(name), case.body, faults=case.faults, always=case.always, **case.about)
            href = case.href(url) if case.href else url
            asset = {"href": href, "type": "image/tiff", **case.says}
            items.append(stac_item(item_of(name), data=asset))
            requests[name] = site.requests[path_of(name)]
        root = sites.site()
        words = ["--timeout", 5, "--allow-private", "-j", 32]
        ended = program("mirror", static_catalog(root, items), dest, *words)
        yield Ran(Mirrored(dest), requests, ended.code, ended.err)
