"""The response sink of a transfer's requests: it decides what each answer means for the bytes there are.

An answer begins the body anew, continues it, or is refused. What the body must be is known to
`expectations`, which answers may continue it to `resume`.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from ..core import checksum
from ..core.errors import Corrupt, TransferError, Transient
from ..core.formats.sniffing import SNIFF_BYTES
from ..core.model import Asset, Head, Job, Proof
from ..core.urls import parse
from ..http.decoding.body import (
    AS_STORED,
    AS_STORED_ENCODED,
    PAST_CACHES,
    BodyDecoder,
    content_codings,
    decode_piece,
    decoder_for,
    is_decoded_there,
    is_encoded,
)
from ..http.status import (
    NOT_MODIFIED,
    PARTIAL_CONTENT,
    PRECONDITION_FAILED,
    RANGE_NOT_SATISFIABLE,
    TRANSFORMED,
)
from ..http.validators import (
    ContentRange,
    content_length,
    content_range,
    is_constant,
    is_later,
    is_webdav_etag,
    modified_at,
    strong_validator,
)
from .context import TransferContext
from .expectations import Expectations
from .resume import PartialVersion, RangeResume, partial_header
from .segments.coordinator import SegmentedDownload, Write
from .segments.stream import SegmentTarget

if TYPE_CHECKING:
    from ..core.ports import Buffer, PartialFile

PROGRESS_BYTES = 64 << 10
"""An attempt that got this many bytes further (or 1/64 of a smaller body) was not fruitless."""


class Receiver:
    """The version of an asset's file that is being received, and the partial file with its bytes.

    `partial` must be committed, kept or dropped in the end. It is another one after `restart_in_new_file`.
    """

    def __init__(self, job: Job, context: TransferContext, segments: SegmentedDownload) -> None:
        self.job = job
        self.expectations = Expectations(job, digests=context.existing.checks.digests)
        self.partial: PartialFile = context.store.open_partial(job.asset.identity)
        self.received = 0
        """bytes that came over the network, those of helper streams too"""
        self.total: int | None = None
        self.validator = ""
        self._modified = 0.0
        """the Last-Modified of the version in seconds since 1970, 0 if unknown"""
        self._etag_lags = False
        """a 304 spoke of a later version than that of its ETag"""
        self.unchanged = False
        """the server answered 304: the file of an earlier run is its present version"""
        self._store = context.store
        self._meter = context.meter
        self._quirks = context.quirks
        self._segments = segments
        self._write: Write = self.partial.body.write
        """takes the bytes of the present answer"""
        self._decoder: BodyDecoder | None = None
        self._encoded = False
        self._framed_length: int | None = None
        self._keeps_encoding = self._wants_encoded = False
        self._decoded_there = False
        self._asks_origin = False
        """what came was not right, and may have come from a cache"""
        self._resume: RangeResume | None = None
        self._first_new = 0
        """the offset when the present request was made"""
        self._was_complete = False
        """a 416 said that no bytes are missing"""
        self._compares_only = self._just_compared = False
        self.joined = False
        """the bytes came with several answers, and no later one has confirmed that they are of one version"""
        self._furthest = 0
        self._urls: tuple[str, ...] = ()
        self._seen_now = False

    @property
    def asset(self) -> Asset:
        return self.expectations.asset

    @property
    def name(self) -> str:
        return self.expectations.name

    async def adopt_partial(self) -> None:
        """Go on with the bytes that an earlier run left, if they are tied to a version."""
        left = self.partial.left
        if left is not None:
            self.validator, self.total, self._urls = left.validator, left.total, left.urls
            self._modified = left.modified
            self.expectations.published = checksum.parse(left.published or None)
            await self.partial.body.adopt(self.expectations.algorithms(), left.total)
            self._furthest = self.partial.body.offset

    def progress(self) -> int:
        """A number that grows when an attempt got further than any before it."""
        self._furthest = max(self._furthest, self.partial.body.offset)
        return self._furthest // max(min(PROGRESS_BYTES, (self.total or PROGRESS_BYTES) // 64), 1)

    async def next_fields(self) -> dict[str, str]:
        """Wait for the last write; the header fields of the next request, with a range or a condition."""
        await self.partial.body.settled()
        known, offset = self.job.previous, self.partial.body.offset
        just_compared, self._just_compared = self._just_compared, False
        self.unchanged = self._was_complete = self._compares_only = False
        fields = dict(AS_STORED_ENCODED if self._wants_encoded else AS_STORED)
        self._resume, self._first_new = None, offset
        if self._asks_origin:
            fields.update(PAST_CACHES)
        if offset and not self._encoded:
            tail, quirks = self.partial.body.tail, self._quirks
            resume = RangeResume(self._version(), offset, tail, quirks, just_compared=just_compared)
            self._resume = resume if resume.possible else None
        if self._resume is not None:
            fields.update(self._resume.fields())
        elif (
            known is not None
            and not self.job.recheck
            and known.validator.startswith('"')
            and not self._etag_lags
        ):
            fields.update({"if-none-match": known.validator, **PAST_CACHES})
        return fields

    def _version(self) -> PartialVersion:
        has_digest = bool(self.expectations.algorithms())
        return PartialVersion(
            self.validator, self.total, self._urls, has_digest, self._seen_now, self._modified
        )

    def start(self, head: Head) -> None:
        """Decide what this answer means, before any byte of it (see `ports.Sink`).

        1. 200 or 203: the whole of some version, from its first byte on; so is a 206 that says it is the
        whole. 2. 206: the rest of the version that is there, or it is refused; so is a 200 whose
        Content-Range is not that of the whole (RFC 9110 section 14.4 gives it no meaning there, but servers
        answer so to a range). 3. 304: the file of an earlier run is right, unless the answer says that it was
        modified since, or its validators say nothing. 4. 416: no bytes are missing, or it is refused. 5. 412,
        to no condition of ours: the next request is one without any.
        """
        if head.status == NOT_MODIFIED:
            if (known := self.job.previous) is None:
                raise TransferError(f"{self.name}: HTTP 304 without a condition", kind="protocol", status=304)
            self._etag_lags = is_later(head.headers, known.mtime_ns / 1e9) or is_constant(head.headers)
            if self._etag_lags:
                raise self._restarting("its date and its ETag do not tell its versions apart", head.status)
            self.unchanged = True
        elif head.status in (PRECONDITION_FAILED, RANGE_NOT_SATISFIABLE):
            self._check_complete(head)
        elif self._is_part(head):
            self._continue(head)
        else:
            self._begin(head)

    def _begin(self, head: Head) -> None:
        self.joined = False
        self.expectations.begin(head)
        self._encoded = is_encoded(head.headers, self.job.path)
        self._decoded_there = is_decoded_there(head.headers)
        decode = self._encoded and not self._keeps_encoding
        codings = content_codings(head.headers)
        self._decoder = decoder_for(codings, self.job.path, self.name) if decode else None
        self._framed_length = _whole_length(head)
        # What is said of an encoded body is not said of the file.
        about_file = {} if self._encoded else head.headers
        self.total = None if self._decoder else self._framed_length
        self.validator = "" if head.status == TRANSFORMED else strong_validator(about_file)
        self._modified = modified_at(about_file)
        self.expectations.check_size(self.total)
        self.expectations.published = checksum.from_headers(about_file)
        self._urls, self._seen_now = (self.asset.href, head.url), True
        if self._resume is not None:  # the whole came where the rest was asked for
            self._resume.note_whole_body(head, self.validator)
            self._resume = None
            self._meter.restarts += 1
        body = self.partial.body
        body.begin(self.expectations.algorithms(), self.total)
        self._write = body.write
        if body.is_persistent:
            self._bind(head)
            self._write = self._segments.writer(self._target(head))

    def _bind(self, head: Head) -> None:
        """Tie the partial file to this version, so that a later run can resume it."""
        rangeless = self._encoded or head.headers.get("accept-ranges", "").strip().lower() == "none"
        self.partial.bind(None if rangeless else partial_header(self._version(), self.expectations.published))

    def _target(self, head: Head) -> SegmentTarget:
        url, body = parse(self.asset.href), self.partial.body
        auth = self.asset.schemes(self.asset.href)
        return SegmentTarget(url, head, self.validator, self.total, body, self._count, auth, self.job.path)

    def _continue(self, head: Head) -> None:
        span = content_range(head.headers)
        if span is None or not self._fits(head, span):
            raise self._restarting("the range answered is not the one asked for", head.status)
        if self.total is None and span.total is not None:
            self.total = span.total
            self.expectations.check_size(self.total)
        self._compares_only = self._resume is not None and self._resume.brings_nothing_new(span)
        self.joined = True
        self._write = self._segments.writer(self._target(head))

    def _is_part(self, head: Head) -> bool:
        """Whether a 206 or 200 carries less than the whole, or does not say clearly what it carries."""
        span, length = content_range(head.headers), content_length(head.headers)
        is_partial, answers_range = head.status == PARTIAL_CONTENT, self._resume is not None
        if span is None:
            return is_partial or (answers_range and "content-range" in head.headers)
        size = span.last + 1
        known = self.asset.size == size or bool(self.expectations.algorithms())
        total = size if span.total is None and known and not answers_range else span.total
        is_whole = span.first == 0 and total == size
        return not is_whole or length not in (size, size if is_partial else None)

    def _fits(self, head: Head, span: ContentRange) -> bool:
        resume, plain = self._resume, not is_encoded(head.headers, self.job.path)
        return resume is not None and plain and resume.fits(head, span, self.asset.href)

    def _check_complete(self, head: Head) -> None:
        """Find out whether no bytes are missing: then they are checked as if they had come just now."""
        span, offset = content_range(head.headers), self.partial.body.offset
        resume = self._resume if head.status == RANGE_NOT_SATISFIABLE else None
        self._was_complete = resume is not None and resume.ends_here(head, span, offset)
        if not self._was_complete:
            raise self._restarting("the server has no such rest of it", head.status)

    def _restarting(self, words: str, status: int) -> Transient:
        """The error to raise after bytes that cannot be continued have been forgotten."""
        self.restart()
        self._asks_origin = True
        return Transient(f"{self.name}: {words}", kind="range", tries=3, status=status)

    def restart(self) -> None:
        """Forget the bytes: the next request is for the whole body."""
        self._meter.restarts += self.partial.body.offset > 0
        self.validator, self._modified = "", 0.0
        self.total = self._resume = None
        self.joined = False
        self.partial.body.begin(())

    def restart_after(self, error: Corrupt) -> None:
        """Forget bytes that are not as promised. If they were decoded, here or by the server, those encoded
        may be as promised."""
        wrong = error.kind in ("checksum-mismatch", "size-mismatch")
        self._wants_encoded = self._decoded_there and wrong
        self._keeps_encoding = self._wants_encoded or (self._decoder is not None and wrong)
        self._asks_origin = True
        self.expectations.lengths_are_doubtful |= error.kind == "structure"
        self.restart()

    async def restart_in_new_file(self) -> None:
        """Forget the bytes and their file: the disk was full, or may have lost some of them."""
        await self.partial.drop()
        self.partial = self._store.open_partial(self.job.asset.identity)
        self.restart()

    def _count(self, size: int) -> None:
        self.received += size
        self._meter.received += size

    def write(self, data: Buffer) -> Awaitable[None] | None:
        self._count(len(data))
        body = self.partial.body
        if self._decoder is not None:
            room = None if self.asset.size is None else self.asset.size - body.offset
            data = decode_piece(self._decoder, data, room, self.name)
            if self._decoder.is_stored:
                self.total = self._framed_length
        elif self._was_complete:
            return None
        elif self._resume is not None:
            data = self._beyond_overlap(data, self._resume)
        if body.offset < SNIFF_BYTES:
            self._refuse(self.expectations.check_first(data, body.offset))
        limit = self.total if self.total is not None else self.asset.size
        if limit is not None and body.offset + len(data) > limit:
            raise Corrupt(f"{self.name}: more than the {limit} bytes it should have", kind="size-mismatch")
        writing = self._write(data)
        self._furthest = max(self._furthest, body.offset)
        return writing

    def _beyond_overlap(self, data: Buffer, resume: RangeResume) -> Buffer:
        """The part of a piece that follows the bytes there; raises where it differs from those."""
        if (new := resume.beyond_overlap(data)) is None:
            raise self._restarting("the server has other bytes now", PARTIAL_CONTENT)
        return new

    def _refuse(self, error: TransferError | None) -> None:
        if error is not None:
            self.restart()
            raise error

    def asks_again(self) -> bool:
        """Whether another request is due at once after an answer that came to its end.

        The answer only repeated bytes that are there: the next one brings the rest. Or all bytes are there,
        from several answers of one ETag that may lag behind: the next one confirms that it still is theirs.
        """
        resume, size = self._resume, self.partial.body.offset
        self._just_compared = self._compares_only and resume is not None and resume.compared
        if self._just_compared:
            return True
        if self._first_new == size:  # this was the request that confirms
            self.joined = False
        is_whole = size == self.total and not self.expectations.algorithms()
        return is_whole and self.joined and is_webdav_etag(self.validator, size)

    async def complete(self) -> tuple[dict[str, bytes], Proof]:
        """Check a body after its last answer: its digests by algorithm, and how far they prove it.

        Raises `Transient` where bytes are missing, another `TransferError` where they are not as promised.
        """
        size = self.partial.body.offset
        overlap_missing = self._resume is not None and not self._was_complete and not self._resume.compared
        undecoded = self._decoder is not None and not self._decoder.ended
        if (self.total is not None and size != self.total) or undecoded or overlap_missing:
            raise Transient(f"{self.name}: {size} of {self.total} bytes came", kind="truncated")
        self.expectations.check_received(size, self.total)
        self._refuse(self.expectations.check_short(size))
        digests = await self.partial.body.complete()
        if not self.expectations.compare(digests):  # a new one came with another href, during the body
            raise self._restarting("the catalogue has another digest for it now", 200)
        return digests, self.expectations.check_whole(size, self.total)


def _whole_length(head: Head) -> int | None:
    """The length of the whole that an answer carries: a Content-Range beside it is that of the whole, too."""
    span, length = content_range(head.headers), content_length(head.headers)
    return span.last + 1 if length is None and span is not None else length
