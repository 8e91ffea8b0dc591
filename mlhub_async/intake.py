"""One representation as it arrives: what each answer means for the bytes we have (FAULTS 4.2).

The sink of a transfer's attempts. It decides whether an answer begins anew, goes on or is refused,
and in the end what is proven of the bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable

from . import checksum
from .decoding import CODINGS, Decoder
from .errors import Corrupt, TransferError, Transient
from .formats.kinds import may_be_empty
from .model import Asset, Checksum, Head, Job, Proof
from .ports import Buffer
from .progress import Meter
from .sniff import ENOUGH, impostor, refusal
from .stores.journal import Origin
from .stores.local import LocalStore
from .stores.partials import Draft
from .urls import redacted, suffix
from .validators import Span, content_length, content_range, repeats, validator

MAX_PIECE = 64 << 20
"""Decoded bytes that one received piece may unpack to; anything beyond is a bomb."""
STEP = 64 << 10
"""An attempt that got this many bytes further (or 1/64 of a smaller body) was not fruitless."""


class Intake:
    """What is known so far of the version being fetched, and the unfinished bytes of it."""

    def __init__(self, job: Job, store: LocalStore, meter: Meter, *, check_digests: bool) -> None:
        self.asset: Asset = job.asset
        self.draft: Draft = store.draft(job.asset.identity)
        self.received = 0
        self.total: int | None = None
        self.validator = ""
        self.unchanged = False
        self.job = job
        self._store = store
        self._meter = meter
        self._check_digests = check_digests
        self._published: Checksum | None = None
        self._decoder: Decoder | None = None
        self._encoded = False
        self._framed = True
        self._resuming = False
        self._best = 0
        self._first = b""
        self._url = ""

    async def take_up(self) -> None:
        """Go on with the bytes of an earlier run, if it left any that are tied to a version."""
        left = self.draft.left
        if left is not None:
            self.validator, self.total = left.validator, left.total
            self._published = checksum.parse(left.published or None)
            await self.draft.body.adopt(self._algorithms(), left.total)
            self._best = self.draft.body.offset

    def _algorithms(self) -> list[str]:
        """Of the digests that will be compared in the end."""
        wanted = [self.asset.checksum, self._published] if self._check_digests else []
        return [one.algorithm for one in wanted if one is not None and one.usable]

    def progress(self) -> int:
        """Grows when an attempt got further than any before it."""
        return self._best // max(min(STEP, (self.total or STEP) // 64), 1)

    def conditions(self) -> dict[str, str]:
        """The request fields of the next attempt: resume what is proven, or ask for what has changed."""
        known, offset = self.job.known, self.draft.body.offset
        self.unchanged = False
        self._resuming = bool(offset) and self._may_resume() and offset != self.total
        fields = {"accept": "*/*", "accept-encoding": "identity"}
        if self._resuming:
            fields["range"] = f"bytes={offset}-"
            if self.validator:
                fields["if-range"] = self.validator
        elif known is not None and not self.job.recheck and known.validator.startswith('"'):
            fields["if-none-match"] = known.validator
        return fields

    def _may_resume(self) -> bool:
        """No validator, no resume; but a published digest will tell good from bad in the end."""
        return not self._encoded and bool(self.validator or self._algorithms())

    def start(self, head: Head) -> None:
        """Decide what this answer is to us, before any byte of it (see `ports.Sink`).

        1. 200: the whole of some version, from its first byte. 2. 206: the rest of the version we have,
        or it is refused. 3. 304: what is on disk is still right. 4. 416: there is no rest.
        """
        if head.status == 304:
            self.unchanged = self.job.known is not None
            if not self.unchanged:
                raise TransferError(f"{self.name}: HTTP 304 without a condition", kind="protocol", status=304)
        elif head.status == 206:
            self._continue(head)
        elif head.status == 416:
            self._nothing_left(head)
        else:
            self._begin(head)

    def _begin(self, head: Head) -> None:
        self._url = head.url
        self._encoded = _encoded(head)
        self._framed = "content-length" in head.headers or "transfer-encoding" in head.headers
        self._decoder = self._decoder_for(_coding(head)) if self._encoded else None
        self.total = None if self._encoded else content_length(head.headers)
        self.validator = "" if self._encoded else validator(head.headers)
        self._check_size(self.total)
        self._published = checksum.from_headers(head.headers) if not self._encoded else None
        self.draft.body.begin(self._algorithms(), self.total)
        if self.draft.body.was_opened:
            self._store.bind(self.draft, self._origin())

    def _origin(self) -> Origin | None:
        """What a later run must know to go on with these bytes; None if nothing ties them to a version."""
        if not self.validator or self.total is None:
            return None
        published = self._published if self._published is not None and self._published.usable else None
        text = checksum.multihash(published.algorithm, published.digest) if published else ""
        return Origin("", self.validator, self.total, text)

    def _decoder_for(self, encoding: str) -> Decoder | None:
        """A coding nobody asked for is taken off; but a .gz file labelled with it is that very file."""
        if self.job.path.endswith((".gz", ".tgz")):
            return None
        if encoding in CODINGS:
            return Decoder(encoding)
        raise TransferError(f"{self.name}: content encoding {encoding[:20]!r} unknown", kind="encoding")

    def _check_size(self, total: int | None) -> None:
        if self.asset.size is not None and total is not None and total != self.asset.size:
            raise Corrupt(
                f"{self.name}: file:size says {self.asset.size} bytes, the server {total}",
                kind="size-mismatch",
            )

    def _continue(self, head: Head) -> None:
        span = content_range(head.headers)
        if span is None or not self._fits(head, span):
            self.restart()
            raise Transient(
                f"{self.name}: the range answered is not the one asked for", kind="range", tries=3
            )
        if self.total is None and span.total is not None:
            self.total = span.total
            self._check_size(self.total)

    def _fits(self, head: Head, span: Span) -> bool:
        """Whether a 206 carries the very bytes that follow ours.

        A version is the same if the 206 repeats our validator. It may leave a date out, but not an ETag:
        without it only a published digest can tell, in the end.
        """
        if not self._resuming or span.first != self.draft.body.offset or _encoded(head):
            return False
        if span.total != self.total and (not self.validator or None not in (span.total, self.total)):
            return False
        same = repeats(head.headers, self.validator) if self.validator else None
        return bool(self._algorithms() or not self.validator.startswith('"')) if same is None else same

    def _nothing_left(self, head: Head) -> None:
        span = content_range(head.headers)
        same = span is not None and span.total == self.total == self.draft.body.offset
        self.restart()
        words = "complete already" if same else "shorter than what is here"
        raise Transient(f"{self.name}: the server says it is {words}", kind="range", tries=3, status=416)

    def restart(self) -> None:
        """Forget the bytes: the next attempt begins at the first one."""
        self.validator = ""
        self.total = None
        self.draft.body.begin(())

    async def begin_anew(self) -> None:
        """The same with another file: this one's disk was full, or may have lost some of it."""
        await self._store.drop(self.draft)
        self.draft = self._store.draft(self.job.asset.identity)
        self.restart()

    def write(self, data: Buffer) -> Awaitable[None] | None:
        self.received += len(data)
        self._meter.received += len(data)
        if self._decoder is not None:
            data = self._decoded(data)
        body = self.draft.body
        if body.offset < ENOUGH:
            self._look_at(data)
        limit = self.total if self.total is not None else self.asset.size
        if limit is not None and body.offset + len(data) > limit:
            raise Corrupt(f"{self.name}: more than the {limit} bytes it should have", kind="size-mismatch")
        busy = body.write(data)
        self._best = max(self._best, body.offset)
        return busy

    def _look_at(self, data: Buffer) -> None:
        offset = self.draft.body.offset
        if offset in (0, len(self._first)):  # else an earlier run has seen the first bytes
            self._first = self._first[:offset] + bytes(data[:ENOUGH])
            if len(self._first) >= ENOUGH:
                self._judge()

    def _judge(self) -> None:
        """A login or error page under a 200 is not what was asked for."""
        if found := impostor(self._first[:ENOUGH], self._path, self.asset.media_type):
            self.restart()
            raise refusal(self.name, found)

    @property
    def _path(self) -> str:
        return self.job.path + suffix(self._url) if self.job.open_ended else self.job.path

    def _decoded(self, data: Buffer) -> bytes:
        assert self._decoder is not None
        left = MAX_PIECE if self.asset.size is None else self.asset.size - self.draft.body.offset
        try:
            decoded = self._decoder.feed(data, min(left, MAX_PIECE))
        except zlib.error as error:
            raise Corrupt(f"{self.name}: broken compression ({error})", kind="decoding") from None
        if len(decoded) > MAX_PIECE:
            raise Corrupt(f"{self.name}: unpacks to more than anybody would send", kind="decoding")
        return decoded

    async def complete(self) -> tuple[dict[str, bytes], Proof]:
        """The digests of the whole body and how much they prove; raises if anything is not as promised."""
        size = self.draft.body.offset
        if (self.total is not None and size != self.total) or (self._decoder and not self._decoder.ended):
            raise Transient(f"{self.name}: {size} of {self.total} bytes came", kind="truncated")
        if not self._framed and self.total is None and size < (self.asset.size or 0):
            # Nothing but the end of the connection said that this was all.
            raise Transient(f"{self.name}: {size} of {self.asset.size} bytes came", kind="truncated", tries=3)
        self._check_size(size)
        if 0 < size == len(self._first) < ENOUGH:
            self._judge()
        digests = await self.draft.body.complete()
        for wanted in (self.asset.checksum, self._published) if self._check_digests else ():
            digest = digests.get(wanted.algorithm) if wanted is not None and wanted.usable else None
            if wanted is not None and digest is not None and not checksum.matches(wanted, digest):
                raise Corrupt(
                    f"{self.name}: the bytes do not match the published {wanted.algorithm}",
                    kind="checksum-mismatch",
                )
        sized = self.total is not None or self.asset.size is not None
        proof = self.proof(Proof.SIZE if sized else Proof.NONE)
        if not (size or self.asset.size == 0 or proof is Proof.CHECKSUM):
            self._refuse_empty()
        return digests, proof

    def _refuse_empty(self) -> None:
        if not may_be_empty(self._path, self.asset.media_type):
            raise Corrupt(f"{self.name}: the server sent no bytes at all", kind="empty")

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


def _coding(head: Head) -> str:
    return head.headers.get("content-encoding", "").strip().lower()


def _encoded(head: Head) -> bool:
    return _coding(head) not in ("", "identity")
