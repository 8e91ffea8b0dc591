"""Resuming a body with a Range request: what is asked for, and which answers carry the missing bytes.

Two answers are of one version if both have the same strong validator (RFC 9110 section 8.8). Where there
is none, or the origin's are known not to tell versions apart, a published digest must decide in the end.
Then the last bytes that are there are asked for again and compared, so that most wrong joins end at once.

A date is a validator of seconds, and servers that cache it were seen to send new bytes under the old one in
the first answer after a change. So where there is no ETag, a request of its own asks for the last bytes again
and compares them; the next one, which asks for the rest, must still be answered with that date and size.
One was seen to send even a strong ETag so (rclone serve webdav): what was joined by an ETag of its form
(`validators.is_webdav_etag`) is confirmed in the end by another request for the last bytes, unless a digest
decides. Where a date beside an ETag is later than before, the ETag is not believed (`validators.is_later`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ..core import checksum
from ..core.model import Checksum, Head, PartialHeader
from ..core.urls import Origin, canonical, origin, parse
from ..http.validators import ContentRange, content_length, has_validator, is_later

if TYPE_CHECKING:
    from ..core.ports import Buffer

OVERLAP_BYTES = 64 << 10
"""Bytes that are asked for again where no validator proves that the rest is of the same version."""
MAX_VALIDATOR_CHANGES = 2
"""Changes of a validator within one run after which they are no new versions, but nodes of a cluster that
do not agree."""


@dataclass(slots=True, eq=False, repr=False)
class OriginQuirks:
    """What a run has learned of how origins tell versions apart. One for all transfers of the run."""

    validator_changes: Counter[Origin] = field(default_factory=Counter)
    ignoring_if_range: set[Origin] = field(default_factory=set)
    """origins that sent a whole body of the very version whose rest was asked for with If-Range"""

    def note_validator_change(self, url: str) -> None:
        self.validator_changes[origin(url)] += 1

    def note_ignored_if_range(self, url: str) -> None:
        self.ignoring_if_range.add(origin(url))

    def has_steady_validators(self, url: str) -> bool:
        changes = self.validator_changes
        return not changes or changes[origin(url)] < MAX_VALIDATOR_CHANGES

    def heeds_if_range(self, url: str) -> bool:
        return not self.ignoring_if_range or origin(url) not in self.ignoring_if_range


class PartialVersion(NamedTuple):
    """The version that the bytes in a partial file are of.

    `urls` are those by which it was asked for and answered, the answering one last. `has_digest`: a
    published digest will be compared in the end. `seen_now`: its validator was seen in this run. `modified`:
    its Last-Modified in seconds since 1970, 0 where that is unknown.
    """

    validator: str
    total: int | None
    urls: Sequence[str]
    has_digest: bool
    seen_now: bool = True
    modified: float = 0


def partial_header(version: PartialVersion, published: Checksum | None) -> PartialHeader | None:
    """What a later run must know to resume; None if nothing ties the bytes to a version."""
    if version.total is None or not (version.validator or version.has_digest):
        return None
    digest = checksum.multihash(published.algorithm, published.digest) if published is not None else ""
    urls = tuple(map(canonical, version.urls))
    return PartialHeader(version.validator, version.total, digest, urls, version.modified)


class RangeResume:
    """One request for the bytes that follow those in the partial file, and the judgement of its answer.

    `offset`: how many bytes are there; `tail` reads the last ones of them. `just_compared`: the answer to
    the request before this one had the same last bytes.
    """

    def __init__(
        self,
        version: PartialVersion,
        offset: int,
        tail: Callable[[int], bytes],
        quirks: OriginQuirks,
        *,
        just_compared: bool = False,
    ) -> None:
        url = version.urls[-1] if version.urls else ""
        self._version = version
        self._quirks = quirks
        self._validator = version.validator if not url or quirks.has_steady_validators(url) else ""
        self._conditional = not url or quirks.heeds_if_range(url)
        is_date = bool(self._validator) and not self._validator.startswith('"')
        self._end = offset if is_date and not just_compared else None
        # All bytes may be there: then the last ones are asked for again, since a range cannot be empty.
        compares = not self._validator or self._end is not None or offset == version.total
        again = OVERLAP_BYTES if compares else 0
        if offset == version.total:
            again = min(again, offset - 1)
        tied = bool(self._validator or version.has_digest)
        self._overlap = tail(again) if tied and again < offset else b""
        self._first = offset - again
        self.possible = tied and self._first > 0
        """a validator or a published digest can tell whether the rest is of the same version"""

    def fields(self) -> dict[str, str]:
        """The header fields of the request."""
        condition = {"if-range": self._validator} if self._validator and self._conditional else {}
        last = "" if self._end is None else self._end - 1
        return {"range": f"bytes={self._first}-{last}", **condition}

    def fits(self, head: Head, span: ContentRange, href: str) -> bool:
        """Whether a 206 carries the bytes that were asked for, of the version that is there.

        It may leave the total out, or be the first to name one, if it repeats our ETag. It may leave out a
        date that was a condition, but not an ETag: without that only a published digest can decide.
        """
        version = self._version
        size = content_length(head.headers)
        if span.first != self._first or size not in (None, span.last - span.first + 1):
            return False
        if not self._is_same_resource(head.url, href):
            return False
        same = self._is_same_version(head)
        tagged = self._validator.startswith('"')
        silent_date = self._conditional and bool(self._validator) and not tagged
        if not (version.has_digest or silent_date if same is None else same):
            self._note_other_version(head.url)
            return False
        return span.total == version.total or (tagged and bool(same) and None in (span.total, version.total))

    def _note_other_version(self, url: str) -> None:
        if self._validator and self._version.seen_now:
            self._quirks.note_validator_change(url)

    def _is_same_version(self, head: Head) -> bool | None:
        """By the validator, and by the date beside an ETag; None where nothing tells."""
        same = has_validator(head.headers, self._validator) if self._validator else None
        return same and not is_later(head.headers, self._version.modified)

    def _is_same_resource(self, url: str, href: str) -> bool:
        """A validator says nothing about another resource: many servers make it of size and time alone."""
        known = {canonical(known) for known in self._version.urls}
        return not known or canonical(url) in known or canonical(parse(href)) in known

    def note_whole_body(self, head: Head, validator: str) -> None:
        """Learn from a 200: the range was ignored for the same version, or there is another version."""
        if validator and validator == self._validator:
            self._quirks.note_ignored_if_range(head.url)
        elif validator:
            self._note_other_version(head.url)

    def ends_here(self, head: Head, span: ContentRange | None, offset: int) -> bool:
        """Whether a 416 says that all bytes are there: their number, and that it is the same version."""
        same = self._is_same_version(head)
        total = span.total if span is not None else None
        return total == self._version.total == offset and (self._version.has_digest if same is None else same)

    def brings_nothing_new(self, span: ContentRange | None) -> bool:
        """Whether an answer that fits is one to a request for the bytes that are there alone."""
        return self._end is not None and span is not None and span.last < self._end

    @property
    def compared(self) -> bool:
        """Whether all bytes that were asked for again have come and are the same."""
        return not self._overlap

    def beyond_overlap(self, data: Buffer) -> Buffer | None:
        """The part of a piece that follows the bytes there; None if it differs from those it repeats."""
        known = self._overlap[: len(data)]
        if bytes(data[: len(known)]) != known:
            return None
        self._overlap = self._overlap[len(known) :]
        return data[len(known) :]
