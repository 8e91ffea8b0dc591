"""What can go wrong with one reply, as data: each fault says how it bends the question or the answer."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace

from support.wire_format import Ask, Fault, Reply


@dataclass(frozen=True)
class Status(Fault):
    """An error status instead of the content."""

    code: int
    retry_after: int | str | None = None
    body: bytes = b"no"
    content_type: str = "text/plain"
    headers: tuple[tuple[str, str], ...] = ()

    def answered(self, reply: Reply) -> None:
        reply.status, reply.body = self.code, self.body
        reply.headers = [("Content-Type", self.content_type), *self.headers]
        if self.retry_after is not None:
            reply.set("Retry-After", str(self.retry_after))


def redirect(location: str, code: int = 302) -> Status:
    return Status(code, body=b"", headers=(("Location", location),))


def html(text: str = "<!DOCTYPE html><html><body>Please log in</body></html>", code: int = 200) -> Status:
    """A login page or captive portal in place of the content."""
    return Status(code, body=text.encode(), content_type="text/html; charset=utf-8")


@dataclass(frozen=True)
class Cut(Fault):
    """The connection ends after so many bytes behind the head: by FIN, or by RST."""

    after: int
    rst: bool = False

    def answered(self, reply: Reply) -> None:
        reply.cut, reply.ending = self.after, "rst" if self.rst else "fin"


@dataclass(frozen=True)
class Stall(Fault):
    """Nothing more comes after so many bytes; the connection stays open until the client leaves."""

    after: int = 0

    def answered(self, reply: Reply) -> None:
        reply.cut, reply.ending = self.after, "hang"


@dataclass(frozen=True)
class Drip(Fault):
    """The body comes in small pieces with a pause before each."""

    pause: float = 0.02
    piece: int = 1

    def answered(self, reply: Reply) -> None:
        reply.pause, reply.piece = self.pause, self.piece


@dataclass(frozen=True)
class Delay(Fault):
    """The head comes late."""

    seconds: float

    def answered(self, reply: Reply) -> None:
        reply.delay = self.seconds


@dataclass(frozen=True)
class When(Fault):
    """The head comes when this is true: whatever the pace of the machine, not before and soon after."""

    true: Callable[[], bool]

    def answered(self, reply: Reply) -> None:
        reply.when = self.true


@dataclass(frozen=True)
class Pause(Fault):
    """Nothing more comes after so many bytes until the condition is true; then the rest."""

    after: int
    until: Callable[[], bool]

    def answered(self, reply: Reply) -> None:
        reply.pause_at, reply.resume = self.after, self.until


@dataclass(frozen=True)
class Gone(Fault):
    """No head at all: the connection ends at once (FIN or RST), or hangs."""

    ending: str = "fin"

    def answered(self, reply: Reply) -> None:
        reply.raw, reply.ending = b"", self.ending


@dataclass(frozen=True)
class Raw(Fault):
    """These bytes instead of a response."""

    data: bytes
    ending: str = "fin"

    def answered(self, reply: Reply) -> None:
        reply.raw, reply.ending = self.data, self.ending


@dataclass(frozen=True)
class Length(Fault):
    """Content-Length lies by so many bytes; after the body comes the ending."""

    by: int
    ending: str = "fin"

    def answered(self, reply: Reply) -> None:
        reply.length, reply.ending = len(reply.body) + self.by, self.ending


@dataclass(frozen=True)
class Chunked(Fault):
    """Chunked framing. A `Cut` beside it counts the chunk heads too."""

    size: int = 4096

    def answered(self, reply: Reply) -> None:
        reply.framing, reply.chunk = "chunked", self.size


@dataclass(frozen=True)
class CloseDelimited(Fault):
    """Neither length nor chunks: the end of the connection is the end of the body."""

    def answered(self, reply: Reply) -> None:
        reply.framing = "close"
        reply.ending = "fin" if reply.ending == "keep" else reply.ending


@dataclass(frozen=True)
class Endless(Fault):
    """The body over and over, until the client leaves."""

    framing: str = "chunked"

    def answered(self, reply: Reply) -> None:
        reply.framing, reply.endless, reply.ending = self.framing, True, "fin"


@dataclass(frozen=True)
class HangUp(Fault):
    """A good answer, and then the connection is closed without having said so."""

    ending: str = "fin"

    def answered(self, reply: Reply) -> None:
        reply.ending = self.ending


@dataclass(frozen=True)
class Unannounced(Fault):
    """Where the answer ends the connection, it does so without TLS's own goodbye."""

    def answered(self, reply: Reply) -> None:
        reply.ending = "drop"


@dataclass(frozen=True)
class IgnoreRange(Fault):
    """Range is not understood: always the whole body with 200."""

    def asked(self, ask: Ask) -> None:
        ask.headers.pop("range", None)


@dataclass(frozen=True)
class IgnoreIfRange(Fault):
    """Range is understood, its condition is not (most object store emulators)."""

    def asked(self, ask: Ask) -> None:
        ask.headers.pop("if-range", None)


@dataclass(frozen=True)
class UpTo(Fault):
    """Of a range without an end no more is sent than up to this byte."""

    last: int

    def asked(self, ask: Ask) -> None:
        if ask.headers.get("range", "").endswith("-"):
            ask.headers["range"] += str(self.last)


@dataclass(frozen=True)
class ContentRange(Fault):
    """A 206 says this about itself; None: it says nothing."""

    value: str | None

    def answered(self, reply: Reply) -> None:
        reply.drop("Content-Range")
        if self.value is not None and reply.status == 206:
            reply.set("Content-Range", self.value)


@dataclass(frozen=True)
class StatusOf(Fault):
    """The answer as it is, under another status: rclone serve s3 sends a range as 200."""

    status: int

    def answered(self, reply: Reply) -> None:
        reply.status = self.status


@dataclass(frozen=True)
class Etag(Fault):
    """This answer comes from a node with another ETag (None: with none)."""

    value: str | None

    def asked(self, ask: Ask) -> None:
        ask.thing = replace(ask.thing, etag=self.value)


@dataclass(frozen=True)
class Change(Fault):
    """From this request on the content is another one."""

    body: bytes
    etag: str | None = None
    last_modified: float | None = None

    def asked(self, ask: Ask) -> None:
        ask.thing.body, ask.thing.etag, ask.thing.last_modified = self.body, self.etag, self.last_modified


@dataclass(frozen=True)
class Flip(Fault):
    """One bit of the body is wrong, the framing is right."""

    at: int = 0

    def answered(self, reply: Reply) -> None:
        body = bytearray(reply.body)
        body[self.at] ^= 1
        reply.body = bytes(body)


@dataclass(frozen=True)
class Gzip(Fault):
    """gzip although identity was asked for; `lose` bytes are missing at its end, the framing is right."""

    lose: int = 0

    def answered(self, reply: Reply) -> None:
        packed = gzip.compress(reply.body, mtime=0)
        reply.body = packed[: len(packed) - self.lose]
        reply.set("Content-Encoding", "gzip")


@dataclass(frozen=True)
class Headers(Fault):
    """More header fields, as they are; a value of None takes the field away."""

    fields: tuple[tuple[str, str | None], ...]

    def answered(self, reply: Reply) -> None:
        for name, value in self.fields:
            if value is None:
                reply.drop(name)
            else:
                reply.headers.append((name, value))


def header_bomb(count: int = 1000, size: int = 1000) -> Headers:
    return Headers(tuple((f"X-Bomb-{n}", "x" * size) for n in range(count)))


@dataclass(frozen=True)
class Informational(Fault):
    """1xx responses before the real one."""

    count: int = 1
    code: int = 103

    def answered(self, reply: Reply) -> None:
        reply.before = f"HTTP/1.1 {self.code} Soon\r\n\r\n".encode() * self.count
