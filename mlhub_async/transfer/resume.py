"""Going on with bytes that are here: how the rest is asked for, and which answer carries it.

What ties two answers to one version is a strong validator that the second repeats. Where there is none, or
the host's are known to be worth nothing, a published digest must be there to decide in the end, and the
last bytes that are here are asked for again and compared, so that most splices end at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..core import checksum
from ..core.model import Checksum, Head, PartialHeader
from ..core.ports import Buffer
from ..core.urls import canonical, origin, parse
from ..http.validators import ContentRange, content_length, has_validator

OVERLAP_BYTES = 64 << 10
MAX_VALIDATOR_FLIPS = 2
"""So many validators that changed within one run are no new versions, but nodes that do not agree."""


@dataclass(slots=True)
class OriginQuirks:
    """What a run has learned of how origins keep versions apart. One for all transfers."""

    flips: Counter[str] = field(default_factory=Counter)
    unconditional: set[str] = field(default_factory=set)
    """those that sent the whole of the very version whose rest was asked for with If-Range"""

    def flipped(self, url: str) -> None:
        self.flips[str(origin(url))] += 1

    def dropped_the_range(self, url: str) -> None:
        self.unconditional.add(str(origin(url)))

    def steady(self, url: str) -> bool:
        return not self.flips or self.flips[str(origin(url))] < MAX_VALIDATOR_FLIPS

    def conditional(self, url: str) -> bool:
        return not self.unconditional or str(origin(url)) not in self.unconditional


@dataclass(frozen=True, slots=True)
class PartialVersion:
    """The version that the bytes here are of. `places`: URLs by which it was asked for and answered.

    `decided`: a published digest will be compared in the end. `ours`: its validator was seen in this run.
    """

    validator: str
    total: int | None
    places: Sequence[str]
    decided: bool
    ours: bool = True


def partial_header(held: PartialVersion, published: Checksum | None) -> PartialHeader | None:
    """What a later run must know to go on with these bytes; None if nothing ties them to a version."""
    if held.total is None or not (held.validator or held.decided):
        return None
    text = checksum.multihash(published.algorithm, published.digest) if published is not None else ""
    return PartialHeader(held.validator, held.total, text, tuple(map(canonical, held.places)))


class RangeResume:
    """One request for the bytes that follow ours, and the judgement of its answer."""

    def __init__(
        self, held: PartialVersion, offset: int, tail: Callable[[int], bytes], hosts: OriginQuirks
    ) -> None:
        where = held.places[-1] if held.places else ""
        self._held = held
        self._hosts = hosts
        self._validator = held.validator if not where or hosts.steady(where) else ""
        self._conditional = not where or hosts.conditional(where)
        # What is here may be all there is: then its end is asked for, since nothing cannot be asked for.
        again = OVERLAP_BYTES if not self._validator or offset == held.total else 0
        tied = bool(self._validator or held.decided)
        self._overlap = tail(again) if tied and again < offset else b""
        self._first = offset - again
        self.possible = tied and self._first > 0
        """no validator, no resume; but a published digest will tell good from bad"""

    def fields(self) -> dict[str, str]:
        condition = {"if-range": self._validator} if self._validator and self._conditional else {}
        return {"range": f"bytes={self._first}-", **condition}

    def fits(self, head: Head, span: ContentRange, href: str) -> bool:
        """Whether a 206 carries the very bytes that were asked for, of the version that is here.

        It may leave the total out, or be the first to tell one, if it repeats our ETag. It may leave out a
        date that was a condition, but not an ETag: without it only a published digest can tell.
        """
        held = self._held
        size = content_length(head.headers)
        if span.first != self._first or size not in (None, span.last - span.first + 1):
            return False
        if not self._same_place(head.url, href):
            return False
        same = has_validator(head.headers, self._validator) if self._validator else None
        tagged = self._validator.startswith('"')
        silent_date = self._conditional and bool(self._validator) and not tagged
        if not (held.decided or silent_date if same is None else same):
            self._other_version(head.url)
            return False
        return span.total == held.total or (tagged and bool(same) and None in (span.total, held.total))

    def _other_version(self, url: str) -> None:
        if self._validator and self._held.ours:
            self._hosts.flipped(url)

    def _same_place(self, url: str, href: str) -> bool:
        """A validator means nothing for another resource: many servers make it of size and time alone."""
        here = {canonical(place) for place in self._held.places}
        return not here or canonical(url) in here or canonical(parse(href)) in here

    def whole(self, head: Head, validator: str) -> None:
        """Learn from a 200: the range was dropped for the same version, or the version is another one."""
        if validator and validator == self._validator:
            self._hosts.dropped_the_range(head.url)
        elif validator:
            self._other_version(head.url)

    def ends_here(self, head: Head, span: ContentRange | None, offset: int) -> bool:
        """Whether a 416 says that all bytes are here: their number, and that it is the same version."""
        same = has_validator(head.headers, self._validator) if self._validator else None
        total = span.total if span is not None else None
        return total == self._held.total == offset and (self._held.decided if same is None else same)

    @property
    def compared(self) -> bool:
        return not self._overlap

    def beyond(self, data: Buffer) -> Buffer | None:
        """The part of a piece that follows our bytes; None if it differs where we have bytes already."""
        known = self._overlap[: len(data)]
        if bytes(data[: len(known)]) != known:
            return None
        self._overlap = self._overlap[len(known) :]
        return data[len(known) :]
