"""One representation as it arrives: what each answer means for the bytes we have.

The sink of a transfer's attempts. It decides whether an answer begins anew, goes on or is refused;
what the bytes have to be is known to `expectations`.
"""

from __future__ import annotations

from collections.abc import Awaitable

from ..core import checksum
from ..core.errors import Corrupt, TransferError, Transient
from ..core.formats.sniffing import SNIFF_BYTES
from ..core.model import Asset, Head, Job, Proof
from ..core.ports import Buffer, PartialFile, Store
from ..core.telemetry import Meter
from ..core.urls import parse
from ..http.decoding import AS_STORED, Decoder, content_coding, decode_piece, decoder_for, is_encoded
from ..http.status import NOT_MODIFIED, PARTIAL_CONTENT, PRECONDITION_FAILED, RANGE_NOT_SATISFIABLE
from ..http.validators import ContentRange, content_length, content_range, strong_validator
from .expectations import Expectations
from .resume import OriginQuirks, PartialVersion, RangeResume, partial_header
from .segments.coordinator import SegmentedDownload, Write
from .segments.stream import SegmentTarget

STEP = 64 << 10
"""An attempt that got this many bytes further (or 1/64 of a smaller body) was not fruitless."""


class Receiver:
    """What is known so far of the version being fetched, and the unfinished bytes of it."""

    def __init__(
        self,
        job: Job,
        store: Store,
        meter: Meter,
        hosts: OriginQuirks,
        segments: SegmentedDownload,
        *,
        check_digests: bool,
    ) -> None:
        self.expectations = Expectations(job, digests=check_digests)
        self.partial: PartialFile = store.open_partial(job.asset.identity)
        self.received = 0
        self.total: int | None = None
        self.validator = ""
        self.unchanged = False
        self.job = job
        self._store = store
        self._meter = meter
        self._hosts = hosts
        self._decoder: Decoder | None = None
        self._encoded = False
        self._rest: RangeResume | None = None
        self._ended = False
        self._best = 0
        self._places: tuple[str, ...] = ()
        self._ours = False
        self._packed = False
        self._segments = segments
        self._write: Write = self.partial.body.write
        """takes the bytes of the present answer"""

    @property
    def asset(self) -> Asset:
        return self.expectations.asset

    @property
    def name(self) -> str:
        return self.expectations.name

    async def take_up(self) -> None:
        """Go on with the bytes of an earlier run, if it left any that are tied to a version."""
        left = self.partial.left
        if left is not None:
            self.validator, self.total, self._places = left.validator, left.total, left.urls
            self.expectations.published = checksum.parse(left.published or None)
            await self.partial.body.adopt(self.expectations.algorithms(), left.total)
            self._best = self.partial.body.offset

    def progress(self) -> int:
        """Grows when an attempt got further than any before it."""
        self._best = max(self._best, self.partial.body.offset)
        return self._best // max(min(STEP, (self.total or STEP) // 64), 1)

    def conditions(self) -> dict[str, str]:
        """The request fields of the next attempt: resume what is proven, or ask for what has changed."""
        known, offset = self.job.previous, self.partial.body.offset
        self.unchanged = self._ended = False
        fields = dict(AS_STORED)
        self._rest = None
        if offset and not self._encoded:
            rest = RangeResume(self._held(), offset, self.partial.body.tail, self._hosts)
            self._rest = rest if rest.possible else None
        if self._rest is not None:
            fields.update(self._rest.fields())
        elif known is not None and not self.job.recheck and known.validator.startswith('"'):
            fields["if-none-match"] = known.validator
        return fields

    def _held(self) -> PartialVersion:
        return PartialVersion(
            self.validator, self.total, self._places, bool(self.expectations.algorithms()), self._ours
        )

    def start(self, head: Head) -> None:
        """Decide what this answer is to us, before any byte of it (see `ports.Sink`).

        1. 200: the whole of some version, from its first byte. 2. 206: the rest of the version we have,
        or it is refused. 3. 304: what is on disk is still right. 4. 416: there is no rest. 5. 412, which
        no condition of ours asks for: it may be had without any.
        """
        if head.status == NOT_MODIFIED:
            self.unchanged = self.job.previous is not None
            if not self.unchanged:
                raise TransferError(f"{self.name}: HTTP 304 without a condition", kind="protocol", status=304)
        elif head.status == PARTIAL_CONTENT:
            self._continue(head)
        elif head.status in (PRECONDITION_FAILED, RANGE_NOT_SATISFIABLE):
            self._nothing_left(head)
        else:
            self._begin(head)

    def _begin(self, head: Head) -> None:
        self.expectations.begin(head)
        self._encoded = is_encoded(head.headers)
        unpack = self._encoded and not self._packed
        self._decoder = (
            decoder_for(content_coding(head.headers), self.job.path, self.name) if unpack else None
        )
        said = {} if self._encoded else head.headers
        self.total, self.validator = (
            content_length({} if self._decoder else head.headers),
            strong_validator(said),
        )
        self.expectations.check_size(self.total)
        self.expectations.published = checksum.from_headers(said)
        self._places, self._ours = (self.asset.href, head.url), True
        if self._rest is not None:  # the whole came where the rest was asked for
            self._rest.note_whole_body(head, self.validator)
            self._rest = None
            self._meter.restarts += 1
        self.partial.body.begin(self.expectations.algorithms(), self.total)
        self._write = self.partial.body.write
        if self.partial.body.is_persistent:
            self._bind(head)
            self._write = self._segments.writer(self._target(head))

    def _bind(self, head: Head) -> None:
        rangeless = self._encoded or head.headers.get("accept-ranges", "").strip().lower() == "none"
        self.partial.bind(None if rangeless else partial_header(self._held(), self.expectations.published))

    def _continue(self, head: Head) -> None:
        span = content_range(head.headers)
        if span is None or not self._fits(head, span):
            raise self._anew("the range answered is not the one asked for", 206)
        if self.total is None and span.total is not None:
            self.total = span.total
            self.expectations.check_size(self.total)
        self._write = self._segments.writer(self._target(head))

    def _target(self, head: Head) -> SegmentTarget:
        url, body = parse(self.asset.href), self.partial.body
        return SegmentTarget(url, head, self.validator, self.total, body, self._count)

    def _fits(self, head: Head, span: ContentRange) -> bool:
        rest = self._rest
        return rest is not None and not is_encoded(head.headers) and rest.fits(head, span, self.asset.href)

    def _nothing_left(self, head: Head) -> None:
        """What is here may be all there is: then it is checked as if it had come just now."""
        span, offset = content_range(head.headers), self.partial.body.offset
        rest = self._rest if head.status == RANGE_NOT_SATISFIABLE else None
        self._ended = rest is not None and rest.ends_here(head, span, offset)
        if not self._ended:
            raise self._anew("the server has no such rest of it", head.status)

    def _anew(self, words: str, status: int) -> Transient:
        self.restart()
        return Transient(f"{self.name}: {words}", kind="range", tries=3, status=status)

    def restart(self) -> None:
        """Forget the bytes: the next attempt begins at the first one."""
        self._meter.restarts += self.partial.body.offset > 0
        self.validator = ""
        self.total = self._rest = None
        self.partial.body.begin(())

    def once_more(self, error: Corrupt) -> None:
        """The same after bytes that are not as promised. If they were unpacked here, what is packed may be
        what the catalogue has the size and digest of."""
        self._packed = self._decoder is not None and error.kind in ("checksum-mismatch", "size-mismatch")
        self.restart()

    async def begin_anew(self) -> None:
        """The same with another file: this one's disk was full, or may have lost some of it."""
        await self.partial.drop()
        self.partial = self._store.open_partial(self.job.asset.identity)
        self.restart()

    def _count(self, size: int) -> None:
        self.received += size
        self._meter.received += size

    def write(self, data: Buffer) -> Awaitable[None] | None:
        self._count(len(data))
        if self._decoder is not None:
            room = None if self.asset.size is None else self.asset.size - self.partial.body.offset
            data = decode_piece(self._decoder, data, room, self.name)
        elif self._ended:
            return None
        elif self._rest is not None:
            data = self._beyond(data, self._rest)
        body = self.partial.body
        if body.offset < SNIFF_BYTES:
            self._refuse(self.expectations.check_first(data, body.offset))
        limit = self.total if self.total is not None else self.asset.size
        if limit is not None and body.offset + len(data) > limit:
            raise Corrupt(f"{self.name}: more than the {limit} bytes it should have", kind="size-mismatch")
        busy = self._write(data)
        self._best = max(self._best, body.offset)
        return busy

    def _beyond(self, data: Buffer, rest: RangeResume) -> Buffer:
        """What of a piece is new: the end of what is here was asked for again, to be compared."""
        if (new := rest.beyond_overlap(data)) is None:
            raise self._anew("the server has other bytes now", 206)
        return new

    def _refuse(self, error: TransferError | None) -> None:
        if error is not None:
            self.restart()
            raise error

    async def complete(self) -> tuple[dict[str, bytes], Proof]:
        """The digests of the whole body and how much they prove; raises if anything is not as promised."""
        size = self.partial.body.offset
        unread = self._rest is not None and not self._ended and not self._rest.compared
        broken_off = self._decoder is not None and not self._decoder.ended
        if (self.total is not None and size != self.total) or broken_off or unread:
            raise Transient(f"{self.name}: {size} of {self.total} bytes came", kind="truncated")
        self.expectations.check_received(size, self.total)
        self._refuse(self.expectations.check_short(size))
        digests = await self.partial.body.complete()
        if not self.expectations.compare(digests):  # the other one came with a renewed href, during the body
            raise self._anew("the catalogue has another digest for it now", 200)
        return digests, self.expectations.check_whole(size, self.total)
