"""One representation as it arrives: what each answer means for the bytes we have.

The sink of a transfer's attempts. It decides whether an answer begins anew, goes on or is refused,
and in the end what is proven of the bytes.
"""

from __future__ import annotations

from collections.abc import Awaitable

from . import checksum, formats
from .decoding import AS_STORED, Decoder, coding, decoder_for, encoded, unpacked
from .errors import Corrupt, TransferError, Transient
from .formats.kinds import may_be_empty
from .model import Asset, Checksum, Head, Job, Proof
from .part import Whole
from .ports import Buffer
from .progress import Meter
from .ranges import Parts, Ranges
from .resuming import Held, Hosts, Rest, noted
from .sniff import ENOUGH, impostor, refusal
from .stores.local import LocalStore
from .stores.partials import Draft
from .urls import parse, redacted, suffix
from .validators import Span, content_length, content_range, validator

STEP = 64 << 10
"""An attempt that got this many bytes further (or 1/64 of a smaller body) was not fruitless."""


class Intake:
    """What is known so far of the version being fetched, and the unfinished bytes of it."""

    def __init__(
        self,
        job: Job,
        store: LocalStore,
        meter: Meter,
        hosts: Hosts,
        ranges: Ranges | None = None,
        *,
        check_digests: bool,
    ) -> None:
        self.asset: Asset = job.asset
        self.draft: Draft = store.draft(job.asset.identity)
        self.received = 0
        self.total: int | None = None
        self.validator = ""
        self.unchanged = False
        self.job = job
        self._store = store
        self._meter = meter
        self._hosts = hosts
        self._check_digests = check_digests
        self._published: Checksum | None = None
        self._decoder: Decoder | None = None
        self._encoded = False
        self._framed = True
        self._rest: Rest | None = None
        self._ended = False
        self._best = 0
        self._first = b""
        self._url = self._said = ""
        self._places: tuple[str, ...] = ()
        self._ours = False
        self._odd = b""
        self._packed = False
        self._ranges = ranges
        self._divided = False
        self.parts: Parts | None = None
        """of the last answer that others helped with"""

    async def take_up(self) -> None:
        """Go on with the bytes of an earlier run, if it left any that are tied to a version."""
        left = self.draft.left
        if left is not None:
            self.validator, self.total, self._places = left.validator, left.total, left.places
            self._published = checksum.parse(left.published or None)
            await self.draft.body.adopt(self._algorithms(), left.total)
            self._best = self.draft.body.offset

    def _wanted(self) -> list[Checksum]:
        """The digests that will be compared in the end."""
        wanted = [self.asset.checksum, self._published] if self._check_digests else []
        return [one for one in wanted if one is not None and one.usable]

    def _algorithms(self) -> list[str]:
        return [one.algorithm for one in self._wanted()]

    def progress(self) -> int:
        """Grows when an attempt got further than any before it."""
        self._best = max(self._best, self.draft.body.offset)
        return self._best // max(min(STEP, (self.total or STEP) // 64), 1)

    def conditions(self) -> dict[str, str]:
        """The request fields of the next attempt: resume what is proven, or ask for what has changed."""
        known, offset = self.job.known, self.draft.body.offset
        self.unchanged = self._ended = self._divided = False
        fields = dict(AS_STORED)
        self._rest = None
        if offset and not self._encoded:
            rest = Rest(self._held(), offset, self.draft.body.tail, self._hosts)
            self._rest = rest if rest.possible else None
        if self._rest is not None:
            fields.update(self._rest.fields())
        elif known is not None and not self.job.recheck and known.validator.startswith('"'):
            fields["if-none-match"] = known.validator
        return fields

    def _held(self) -> Held:
        return Held(self.validator, self.total, self._places, bool(self._algorithms()), self._ours)

    def start(self, head: Head) -> None:
        """Decide what this answer is to us, before any byte of it (see `ports.Sink`).

        1. 200: the whole of some version, from its first byte. 2. 206: the rest of the version we have,
        or it is refused. 3. 304: what is on disk is still right. 4. 416: there is no rest. 5. 412, which
        no condition of ours asks for: it may be had without any.
        """
        if head.status == 304:
            self.unchanged = self.job.known is not None
            if not self.unchanged:
                raise TransferError(f"{self.name}: HTTP 304 without a condition", kind="protocol", status=304)
        elif head.status == 206:
            self._continue(head)
        elif head.status in (412, 416):
            self._nothing_left(head)
        else:
            self._begin(head)

    def _begin(self, head: Head) -> None:
        self._url, self._said = head.url, head.headers.get("content-type", "")
        self._encoded = encoded(head.headers)
        self._framed = "content-length" in head.headers or "transfer-encoding" in head.headers
        unpack = self._encoded and not self._packed
        self._decoder = decoder_for(coding(head.headers), self.job.path, self.name) if unpack else None
        said = {} if self._encoded else head.headers
        self.total, self.validator = content_length({} if self._decoder else head.headers), validator(said)
        self._check_size(self.total)
        self._published = checksum.from_headers(said)
        self._places, self._ours = (self.asset.href, head.url), True
        if self._rest is not None:  # the whole came where the rest was asked for
            self._rest.whole(head, self.validator)
            self._rest = None
            self._meter.restarts += 1
        self.draft.body.begin(self._algorithms(), self.total)
        if self.draft.body.was_opened:
            self._bind(head)
            self._divide(head)

    def _bind(self, head: Head) -> None:
        rangeless = self._encoded or head.headers.get("accept-ranges", "").strip().lower() == "none"
        self._store.bind(self.draft, None if rangeless else noted(self._held(), self._published))

    def _check_size(self, total: int | None) -> None:
        if self.asset.size is not None and total is not None and total != self.asset.size:
            raise Corrupt(
                f"{self.name}: file:size says {self.asset.size} bytes, the server {total}",
                kind="size-mismatch",
            )

    def _continue(self, head: Head) -> None:
        span = content_range(head.headers)
        if span is None or not self._fits(head, span):
            raise self._anew("the range answered is not the one asked for", 206)
        if self.total is None and span.total is not None:
            self.total = span.total
            self._check_size(self.total)
        self._divide(head)

    def _divide(self, head: Head) -> None:
        """Others may help, if it is large and all that they bring is certain to be of this version."""
        if self._ranges is not None and self.total is not None and not self._encoded:
            url, body = parse(self.asset.href), self.draft.body
            whole = Whole(url, head, self.validator, self.total, body, self._count)
            parts = self._ranges.divided(whole, self.parts)
            self._divided, self.parts = parts is not None, parts or self.parts

    def _fits(self, head: Head, span: Span) -> bool:
        rest = self._rest
        return rest is not None and not encoded(head.headers) and rest.fits(head, span, self.asset.href)

    def _nothing_left(self, head: Head) -> None:
        """What is here may be all there is: then it is checked as if it had come just now."""
        span, offset = content_range(head.headers), self.draft.body.offset
        rest = self._rest if head.status == 416 else None
        self._ended = rest is not None and rest.ends_here(head, span, offset)
        if not self._ended:
            raise self._anew("the server has no such rest of it", head.status)

    def _anew(self, words: str, status: int) -> Transient:
        self.restart()
        return Transient(f"{self.name}: {words}", kind="range", tries=3, status=status)

    def restart(self) -> None:
        """Forget the bytes: the next attempt begins at the first one."""
        self._meter.restarts += self.draft.body.offset > 0
        self.validator = ""
        self.total = self._rest = None
        self.draft.body.begin(())

    def once_more(self, error: Corrupt) -> None:
        """The same after bytes that are not as promised. If they were unpacked here, what is packed may be
        what the catalogue has the size and digest of."""
        self._packed = self._decoder is not None and error.kind in ("checksum-mismatch", "size-mismatch")
        self.restart()

    async def begin_anew(self) -> None:
        """The same with another file: this one's disk was full, or may have lost some of it."""
        await self._store.drop(self.draft)
        self.draft = self._store.draft(self.job.asset.identity)
        self.restart()

    def _count(self, size: int) -> None:
        self.received += size
        self._meter.received += size

    def write(self, data: Buffer) -> Awaitable[None] | None:
        self._count(len(data))
        if self._decoder is not None:
            room = None if self.asset.size is None else self.asset.size - self.draft.body.offset
            data = unpacked(self._decoder, data, room, self.name)
        elif self._ended:
            return None
        elif self._rest is not None:
            data = self._beyond(data, self._rest)
        body = self.draft.body
        if body.offset < ENOUGH:
            self._look_at(data)
        limit = self.total if self.total is not None else self.asset.size
        if limit is not None and body.offset + len(data) > limit:
            raise Corrupt(f"{self.name}: more than the {limit} bytes it should have", kind="size-mismatch")
        busy = self.parts.write(data) if self._divided and self.parts else body.write(data)
        self._best = max(self._best, body.offset)
        return busy

    def _beyond(self, data: Buffer, rest: Rest) -> Buffer:
        """What of a piece is new: the end of what is here was asked for again, to be compared."""
        if (new := rest.beyond(data)) is None:
            raise self._anew("the server has other bytes now", 206)
        return new

    def _look_at(self, data: Buffer) -> None:
        offset = self.draft.body.offset
        if offset in (0, len(self._first)):  # else an earlier run has seen the first bytes
            self._first = self._first[:offset] + bytes(data[:ENOUGH])
            if len(self._first) >= ENOUGH:
                self._judge()

    def _judge(self) -> None:
        """A login or error page under a 200 is not what was asked for."""
        if found := impostor(self._first[:ENOUGH], self._path, self.asset.media_type, self._said):
            self.restart()
            raise refusal(self.name, found)

    @property
    def _path(self) -> str:
        return self.job.path + suffix(self._url) if self.job.open_ended else self.job.path

    async def complete(self) -> tuple[dict[str, bytes], Proof]:
        """The digests of the whole body and how much they prove; raises if anything is not as promised."""
        size = self.draft.body.offset
        unread = self._rest is not None and not self._ended and not self._rest.compared
        broken_off = self._decoder is not None and not self._decoder.ended
        if (self.total is not None and size != self.total) or broken_off or unread:
            raise Transient(f"{self.name}: {size} of {self.total} bytes came", kind="truncated")
        if not self._framed and self.total is None and size < (self.asset.size or 0):
            # Nothing but the end of the connection said that this was all.
            raise Transient(f"{self.name}: {size} of {self.asset.size} bytes came", kind="truncated", tries=3)
        self._check_size(size)
        if 0 < size == len(self._first) < ENOUGH:
            self._judge()
        digests = await self.draft.body.complete()
        for wanted in self._wanted():
            if wanted.algorithm not in digests:  # it came with a renewed href, while the body was on its way
                raise self._anew("the catalogue has another digest for it now", 200)
            if not checksum.matches(wanted, digests[wanted.algorithm]):
                words = f"{self.name}: the bytes do not match the published {wanted.algorithm}"
                raise Corrupt(words, kind="checksum-mismatch")
        sized = self.total is not None or self.asset.size is not None
        proof = self.proof(Proof.SIZE if sized else Proof.NONE)
        promised = size or self.asset.size == 0 or proof is Proof.CHECKSUM
        if not (promised or may_be_empty(self._path, self.asset.media_type)):
            raise Corrupt(f"{self.name}: the server sent no bytes at all", kind="empty")
        return digests, proof

    async def inspect(self, digest: bytes, *, always: bool) -> None:
        """Check how the body is built inside: `always`, or where nothing else says that it is whole.

        Then it is a missing end that is looked for. What is odd in another way is what the server has,
        if its framing is whole or it came twice alike.
        """
        if always or (self.total is None and self.asset.size is None and not self._algorithms()):
            path, media_type = self._path, self.asset.media_type
            if found := await self.draft.body.look(lambda file: formats.flaw(file, path, media_type)):
                if (
                    not always
                    and isinstance(found, formats.Strange)
                    and (self._framed or digest == self._odd)
                ):
                    return
                self._odd = digest
                raise Corrupt(f"{self.name}: {found}", kind="structure")

    def proof(self, weaker: Proof) -> Proof:
        """CHECKSUM where a digest was compared; NONE where one was published that we cannot compute."""
        declared = self.asset.checksum
        if not self._check_digests:
            return weaker
        if declared is not None:
            return Proof.CHECKSUM if declared.usable else Proof.NONE
        return Proof.CHECKSUM if self._published is not None and self._published.usable else weaker

    @property
    def name(self) -> str:
        return redacted(self.asset.href)
