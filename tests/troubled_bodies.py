"""The table of what a server can do to a body, and what must come of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from troubled import (
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
    UpTo,
    header_bomb,
    html,
    redirect,
    tif,
)
from troubled_stac import sizes_and_digests

OLD = tif(400_000, 1)
NEW = tif(400_000, 2)
SHORT = tif(100_000, 3)
HALF = 200_000
STRONG = {"etag": '"1"'}
LONG_AGO = {"last_modified": 1e9}
KNOWN = sizes_and_digests(OLD)
SIZE = {"file:size": len(OLD)}


@dataclass
class Case:
    """`faults` come once each, `always` without end; `says` is what the catalogue knows of the asset."""

    faults: list[Any] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=lambda: STRONG)
    says: dict[str, Any] = field(default_factory=dict)
    always: list[Fault] = field(default_factory=list)
    body: bytes = OLD
    asked: list[str | None] | None = None
    requests: int | None = None
    final: bytes | None = OLD
    href: Callable[[str], Any] | None = None


FROM_HALF = f"bytes={HALF}-"
RESUMED = [None, FROM_HALF]
ANEW = [None, FROM_HALF, None]
SEVERAL = b"--x\r\nContent-Range: bytes %d-%d/%d\r\n\r\n%s\r\n--x--" % (HALF, HALF + 4, len(OLD), b"hello")
NO_BODY = b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"

CASES = {
    "a plain body": Case(asked=[None]),
    "cut by FIN, resumed": Case([Cut(HALF)], asked=RESUMED),
    "cut by RST, resumed": Case([Cut(HALF, rst=True)], asked=RESUMED),
    "cut nine times with progress": Case([Cut(44_000)] * 9, requests=10),
    "cut at the first byte": Case([Cut(0)], asked=[None, None]),
    "cut before the last byte": Case([Cut(len(OLD) - 1)], asked=[None, f"bytes={len(OLD) - 1}-"]),
    "cut, only an old Last-Modified": Case([Cut(HALF)], LONG_AGO, asked=RESUMED),
    "cut, only a weak ETag": Case([Cut(HALF)], {"etag": 'W/"1"'}, asked=[None, None]),
    "cut, no validator": Case([Cut(HALF)], {}, asked=[None, None]),
    "cut, an ETag without quotes": Case([Cut(HALF)], {"etag": "abc"}, asked=[None, None]),
    "cut, Last-Modified just now": Case(
        [Cut(HALF)], {"last_modified": time.time() + 3600}, asked=[None, None]
    ),
    "cut, no Range understood": Case([Cut(HALF)], always=[IgnoreRange()], asked=RESUMED),
    "cut, changed meanwhile": Case([Cut(HALF), Change(NEW, '"2"')], asked=RESUMED, final=NEW),
    "cut, changed, If-Range ignored": Case(
        [Cut(HALF), Change(NEW, '"2"')], always=[IgnoreIfRange()], asked=ANEW, final=NEW
    ),
    "cut, changed to shorter, If-Range ignored": Case(
        [Cut(HALF), Change(SHORT, '"2"')], always=[IgnoreIfRange()], asked=ANEW, final=SHORT
    ),
    "cut, changed without ETag afterwards": Case(
        [Cut(HALF), Change(NEW, None)], always=[IgnoreIfRange()], says=sizes_and_digests(NEW), final=NEW
    ),
    "cut, wrong start in Content-Range": Case(
        [Cut(HALF), ContentRange(f"bytes 0-{len(OLD) - 1}/{len(OLD)}")], asked=ANEW
    ),
    "cut, wrong total in Content-Range": Case(
        [Cut(HALF), ContentRange(f"bytes {HALF}-{len(OLD) - 1}/{len(OLD) + 1}")], asked=ANEW
    ),
    "cut, 206 without Content-Range": Case([Cut(HALF), ContentRange(None)], asked=ANEW),
    "cut, garbage in Content-Range": Case([Cut(HALF), ContentRange("bytes x-y/z")], asked=ANEW),
    "cut, a part that says it is one of several": Case(
        [Cut(HALF), Status(206, body=SEVERAL, content_type="multipart/byteranges; boundary=x")], asked=ANEW
    ),
    "cut, less than the rest in good order": Case(
        [Cut(HALF), UpTo(HALF + 99_999)], asked=[None, FROM_HALF, f"bytes={HALF + 100_000}-"]
    ),
    "cut, the rest compressed": Case([Cut(HALF), Gzip()], asked=ANEW),
    "cut, 412": Case([Cut(HALF), Status(412)], asked=ANEW),
    "cut, 416 although bytes are missing": Case(
        [Cut(HALF), Status(416, headers=(("Content-Range", f"bytes */{HALF}"),))], asked=ANEW
    ),
    "cut, the rest cut too": Case(
        [Cut(HALF), Cut(HALF // 2)], asked=[None, FROM_HALF, f"bytes={HALF * 3 // 2}-"]
    ),
    "200 with a Content-Range": Case(
        [Headers((("Content-Range", f"bytes 0-{len(OLD) - 1}/{len(OLD)}"),))], requests=1
    ),
    "206 although nobody asked for a range": Case(
        [Status(206, body=OLD[5:], headers=(("Content-Range", f"bytes 5-{len(OLD) - 1}/{len(OLD)}"),))]
    ),
    "ETag flaps with every node": Case([(Etag(f'"{n}"'), Cut(HALF)) for n in range(3)], requests=4),
    "chunked": Case(always=[Chunked(999)]),
    "chunked, cut in a chunk": Case([(Chunked(4096), Cut(4104 * 40 + 6 + 5))], asked=[None, "bytes=163845-"]),
    "chunked, cut between chunks": Case([(Chunked(4096), Cut(4104 * 40))], asked=[None, "bytes=163840-"]),
    "chunked garbage": Case(
        [Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")], requests=2
    ),
    "close-delimited, size known": Case(says=SIZE, always=[CloseDelimited()]),
    "close-delimited and cut, size known": Case([(CloseDelimited(), Cut(HALF))], says=SIZE),
    "close-delimited and reset, digest known": Case([(CloseDelimited(), Cut(HALF, rst=True))], says=KNOWN),
    "closed before any head": Case([Gone("fin"), Gone("rst")]),
    "a good answer, then the connection is gone": Case([HangUp("rst")], requests=1),
    "no head for too long": Case([Gone("hang")], requests=2),
    "stalls in the middle": Case([Stall(HALF)], asked=RESUMED),
    "drips, but fast enough": Case([Drip(0.02, 20_000)], requests=1),
    "Content-Length too long": Case([Length(+10)]),
    "Content-Length too short": Case([Length(-10)], says={"file:checksum": KNOWN["file:checksum"]}),
    "Content-Length against the catalogue": Case(always=[Length(-10)], says=SIZE, final=None),
    "two Content-Lengths that differ": Case([Headers((("Content-Length", "7"),))]),
    "chunks and a Content-Length": Case([(Chunked(), Headers((("Content-Length", "7"),)))], requests=2),
    "1xx before the answer": Case([Informational(5)], requests=1),
    "1xx without end": Case([Informational(1000)], requests=2),
    "garbage instead of HTTP": Case([Raw(b"\x00\xff\xfenot http at all\r\n\r\n")]),
    "HTTP/0.9": Case([Raw(b"<html>hello</html>")]),
    "headers without end": Case(always=[header_bomb(300, 4000)], requests=3, final=None),
    "a thousand headers": Case(always=[header_bomb(1000, 10)], requests=3, final=None),
    "a header of a megabyte": Case(always=[header_bomb(1, 1 << 20)], requests=3, final=None),
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
    "204 with a body": Case(always=[Raw(NO_BODY)], requests=3, final=None),
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
    "gzip although identity was asked": Case(always=[Gzip()], says=KNOWN),
    "gzip without its end": Case([Gzip(lose=9)], says=KNOWN),
    "a flipped bit, healed": Case([Flip(5000)], says=KNOWN, requests=2),
    "a flipped bit in the resumed part": Case([Cut(HALF), Flip(5)], says=KNOWN),
    "a bit that always flips": Case(always=[Flip(5000)], says=KNOWN, requests=2, final=None),
    "a wrong digest in the catalogue": Case(says={"file:checksum": "1220" + "ab" * 32}, final=None),
    "a wrong size in the catalogue": Case(says={"file:size": 5}, final=None),
    "a digest that cannot be right": Case(says={"file:checksum": "12149f86"}),
    "an unknown kind of digest": Case(says={"file:checksum": "d5031055"}),
    "endless, size known": Case(always=[Endless()], says=SIZE, final=None),
    "endless without framing, size known": Case(always=[Endless("close")], says=SIZE, final=None),
    "an empty file": Case(body=b"", says={"file:size": 0}, final=b""),
    "an empty answer for a file that is not": Case(body=b"", says=SIZE, final=None),
    "redirect in a circle": Case(always=[redirect("/redirect-in-a-circle.tif")], requests=1, final=None),
    "redirect without Location": Case(always=[Status(302)], requests=1, final=None),
    "redirect to a file": Case(always=[redirect("file:///etc/passwd")], requests=1, final=None),
    "redirect with a password": Case(
        always=[redirect("http://u:p@127.0.0.1:1/x.tif")], requests=1, final=None
    ),
    "cookies and odd headers": Case([Headers((("Set-Cookie", "a=b; Domain=localhost"), ("X-Odd", "é\x80")))]),
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
