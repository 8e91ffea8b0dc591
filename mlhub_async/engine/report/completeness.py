"""Whether a listing is complete: what its pages announced and gave. One that changes is read again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ...core.errors import CatalogError, MlhubError, SourceError
from ...core.model import (
    CollectionListed,
    Concern,
    Entry,
    Flaw,
    Item,
    ListingRemarks,
    ListingRestarted,
    ListingTotal,
    Page,
)

if TYPE_CHECKING:
    from ...core.ports import Emit, Source

MAX_SWEEPS = 3
"""How often a listing that changes while it is read is read at most."""
MAX_REASONS = 20
CUT = "says of its pages that more items belong to them, or links no next page (try --limit 1000), and"


@dataclass(slots=True, eq=False, repr=False)
class Pass:
    """One listing as it was read once, from its first page to its last."""

    returned: int = 0
    """records on its pages, usable or not"""
    items: int = 0
    repeated: int = 0
    """items that had been on an earlier page of it"""
    known: int = 0
    """different items of this pass and the earlier ones"""
    least: int | None = None
    most: int | None = None
    """the smallest and the largest total that its pages announced"""
    checksum: int = 0
    """equal for two passes with the same items, in whatever order"""
    slice_of: str = ""
    """the listing that this is a slice of, if it is one"""
    shared: int = 0
    """items that other slices of it had given before"""
    repeatable: bool = False
    """the source can read it again"""
    is_ended: bool = False
    is_cut: bool = False
    """one of its pages lacked records, or the link to the next one: see `Page.is_cut`"""
    is_capped: bool = False
    """as many items came as were asked for: it was not read further, and is not read again"""
    changed: int = 0
    """items that were described otherwise than before on one of its pages"""
    of_slices: bool = False
    """it stands for the slices that were read before the whole"""

    def add(self, page: Page, items: Sequence[Item]) -> None:
        self.returned += page.returned
        self.repeatable |= page.repeatable
        self.is_ended |= page.is_last
        self.is_cut |= page.is_cut
        self.is_capped |= page.is_capped
        self.items += len(items)
        self.checksum += sum(hash((item.collection, item.id)) for item in items)
        if page.matched is not None:
            self.least = min(page.matched, page.matched if self.least is None else self.least)
            self.most = max(page.matched, self.most or 0)

    @property
    def found(self) -> int:
        """The records of its pages without the repeated ones."""
        return self.returned - self.repeated

    @property
    def announced(self) -> int:
        """The total that its pages announced, or what they gave; 0 for a slice of a listing."""
        return 0 if self.slice_of else max(self.found, self.most or 0)

    @property
    def is_short(self) -> bool:
        return self.is_cut or (self.most is not None and self.found < self.most)

    def has_the_set_of(self, other: Pass) -> bool:
        """Both came to their last page and to the same items, none twice: it could hide another one."""
        same = (self.found, self.checksum) == (other.found, other.checksum)
        return same and self.is_ended and other.is_ended and not self.repeated

    @property
    def is_steady(self) -> bool:
        """Nothing shows that the listing changed while it was read."""
        return not self.repeated and self.least == self.most and not self.is_short


@dataclass(slots=True, eq=False, repr=False)
class Completeness:
    """What was read of a source. It is `complete` only if it ended and gave what it announced."""

    pages: int = 0
    seen: int = 0
    """items listed; not again those of a further pass over a listing"""
    unique: int = 0
    linked: int = 0
    """of these, the ones that came by a link of their own and on no page"""
    changed: int = 0
    """items that were described otherwise in a further pass"""
    sweeps: int = 1
    """passes over the source, of which all but the first read only what had changed"""
    ended: bool = False
    error: MlhubError | None = None
    """why it broke off"""
    repeatable: bool = False
    """some listing of the source can be read again"""
    followed: bool = False
    """items came by links too: then an item that was seen before need not be a repeated one"""
    whole: set[str] = field(default_factory=set)
    """the collections that were listed to their end"""
    passes: dict[str, Pass] = field(default_factory=dict)
    """the latest of each listing"""
    earlier: dict[str, Pass] = field(default_factory=dict)
    """the pass before the latest, of listings that were read again"""
    varied: set[str] = field(default_factory=set)
    """the listings of which an earlier pass had another set of items than the one before it"""
    totals: dict[str, int] = field(default_factory=dict)
    """how many items the listings have that were read in slices"""
    broken: set[str] = field(default_factory=set)
    """the listings that ended before their last page, at a flaw"""
    flaws: list[str] = field(default_factory=list)
    """why documents and records of the catalogue could not be used: the first ones"""
    doubtful_answers: int = 0
    """answers that were no item, though what their links led to before may exist"""
    unlisted_directories: int = 0
    """assets that are directories whose files are not known, though they may exist"""
    lasting_flaws: int = 0
    temporary_flaws: int = 0
    """of all, those that another run would meet again, and those that it may not meet"""
    announced: int = 0
    """items that the listings said they have; those that did not say count with what they gave"""
    remarks: ListingRemarks = field(default_factory=ListingRemarks)
    """what the source reports about the way in which it was listed"""

    def add_batch(
        self, entries: Sequence[Entry], repeated: int, repeated_in_pass: int | None = None, changed: int = 0
    ) -> None:
        """Count a batch. `repeated` items had been listed before in this run, `repeated_in_pass` in this very
        pass, if that is known, and `changed` with other assets, where this is the first pass."""
        items = [one for one in entries if isinstance(one, Item)]
        page = _page_of(entries)
        for one in entries:
            self._note_listing(one)
        self.unique += len(items) - repeated
        self.seen += len(items) - (0 if repeated_in_pass is None else repeated)
        if page is None:
            self.followed |= bool(items)
            self.linked += len(items) - repeated
            self.changed += changed
            return
        self.pages += 1
        self.repeatable |= page.repeatable
        current = self.passes.setdefault(page.listing, Pass(slice_of=page.slice_of))
        before = current.announced
        current.add(page, items)
        current.repeated += repeated if repeated_in_pass is None else repeated_in_pass
        current.known += len(items) - repeated
        current.changed += changed
        if page.slice_of and repeated_in_pass is not None and page.listing not in self.earlier:
            current.shared += repeated - repeated_in_pass
            current.known += repeated - repeated_in_pass
        self.announced += current.announced - before

    def add_flaw(self, flaw: Flaw) -> None:
        """Count what could not be used of the catalogue: no benign flaw, and none of another concern.

        Doubtful answers are counted by themselves.
        """
        self.doubtful_answers += flaw.concern is Concern.ANSWER
        if flaw.benign or flaw.concern is not Concern.LISTING:
            return
        if flaw.listing is not None:
            self.broken.add(flaw.listing)
        self.temporary_flaws += flaw.error.retryable
        self.lasting_flaws += not flaw.error.retryable
        if len(self.flaws) < MAX_REASONS:
            message = flaw.error.message
            self.flaws.append(message if flaw.where in message else f"{flaw.where}: {message}")

    def _note_listing(self, entry: Entry) -> None:
        if isinstance(entry, CollectionListed):
            self.whole.add(entry.collection)
        elif isinstance(entry, ListingTotal):
            self.totals[entry.listing] = entry.matched
            self._count_announced()
        elif isinstance(entry, ListingRestarted):
            self._drop_slices(entry.listing)
        elif isinstance(entry, ListingRemarks):
            self.remarks = entry

    def _drop_slices(self, listing: str) -> None:
        """Let the slices count as one earlier pass over the whole, which is read after them."""
        slices = [name for name, one in self.passes.items() if one.slice_of == listing]
        if slices:
            known = sum(self.passes[name].known - self.passes[name].shared for name in slices)
            for name in slices:
                del self.passes[name]
            self.earlier[listing] = Pass(known=known, of_slices=True)
            self.passes[listing] = Pass(known=known)
            self._count_announced()

    def may_repeat(self, entries: Sequence[Entry]) -> bool:
        """Whether the items of a batch may be listed once more, because their listing can be read again.

        A batch without a page may belong to any listing of the source.
        """
        page = _page_of(entries)
        return self.repeatable if page is None else page.repeatable

    def pass_name(self, entries: Sequence[Entry]) -> str | None:
        """A name for the pass that a batch belongs to.

        None in the first pass over a whole listing: there an item is repeated if it was seen in this run.
        """
        page = _page_of(entries)
        if page is None or not (page.slice_of or page.listing in self.earlier):
            return None
        return f"{self.sweeps} {page.listing}"

    def listings_to_repeat(self) -> list[str]:
        """The listings to read again: those that changed while read, and differed when read twice."""
        names = [name for name, one in self._ended_passes() if one.repeatable]
        return [name for name in names if not self._is_settled(name)]

    def _ended_passes(self) -> Iterator[tuple[str, Pass]]:
        """The latest pass of each listing that was to be read to its end, and did not end at a flaw."""
        passes = self.passes.items()
        yield from ((name, one) for name, one in passes if not one.is_capped and name not in self.broken)

    def begin_sweep(self, names: Sequence[str]) -> None:
        """Begin a new pass over each of these listings."""
        self.sweeps += 1
        for name in names:
            if self._differs(name):
                self.varied.add(name)
            earlier = self.earlier[name] = self.passes[name]
            self.passes[name] = Pass(
                known=earlier.known, slice_of=earlier.slice_of, shared=earlier.shared, repeatable=True
            )
        self._count_announced()

    def _count_announced(self) -> None:
        """Anew, where passes were replaced: `add_batch` counts on, as there may be many listings."""
        self.announced = sum(one.announced for one in self.passes.values()) + sum(self.totals.values())

    def _is_settled(self, name: str) -> bool:
        """The listing did not change while it was read, or was the same twice."""
        latest, earlier = self._latest(name), self.earlier.get(name)
        return latest.is_steady or (earlier is not None and earlier.checksum == latest.checksum)

    def _differs(self, name: str) -> bool:
        """The latest pass over the listing had another set of items than the one before."""
        earlier = self.earlier.get(name)
        return bool(earlier and not earlier.of_slices and not self.passes[name].has_the_set_of(earlier))

    @property
    def accepted(self) -> list[tuple[str, Pass]]:
        """Listings that announced more items than they gave, the same ones whenever they were read."""
        return [(name, one) for name, one in self._ended_passes() if self._is_accepted(name, one)]

    def _is_accepted(self, name: str, latest: Pass) -> bool:
        earlier = self.earlier.get(name)
        is_read_twice = earlier and not (earlier.of_slices or latest.slice_of or latest.is_cut)
        return latest.is_short and bool(is_read_twice) and name not in self.varied and not self._differs(name)

    def _latest(self, name: str) -> Pass:
        """The latest pass, without `repeated` where that may count items that came by links."""
        latest = self.passes[name]
        may_count_others = self.followed and name not in self.earlier and not latest.slice_of
        return replace(latest, repeated=0) if may_count_others else latest

    @property
    def matched(self) -> int | None:
        """The total that the source announced, over all listings; None if it announced none."""
        whole = (one for one in self.passes.values() if not one.slice_of)
        totals = [one.most for one in whole if one.most is not None]
        totals += self.totals.values()
        return sum(totals) if totals else None

    @property
    def returned(self) -> int:
        """The records on all pages, usable and selected or not."""
        return sum(one.returned for one in self.passes.values())

    @property
    def vanished(self) -> int:
        """Items that an earlier pass over a listing had and the latest has not."""
        latest = (self.passes[name] for name in self.earlier)
        return sum(max(0, one.known - one.items + one.repeated) for one in latest)

    @property
    def complete(self) -> bool:
        return next(self._reasons(), None) is None

    @property
    def exit_code(self) -> int:
        """0: complete; 5: another run may get what is missing; 4: it would meet the same again."""
        if next(self._temporary_reasons(), None) is not None:
            return 5
        return 0 if self.complete else 4

    @property
    def reasons(self) -> list[str]:
        """Why it is not complete; none if it is."""
        found = list(self._reasons())
        more = [f"and {len(found) - MAX_REASONS} more"] if len(found) > MAX_REASONS else []
        return found[:MAX_REASONS] + more

    def _reasons(self) -> Iterator[str]:
        if self.error is not None and not self.error.retryable:
            yield _broken_off(self.error)
        yield from self._temporary_reasons()
        yield from self.flaws
        if (more := self.lasting_flaws + self.temporary_flaws - len(self.flaws)) > 0:
            yield f"{more} more records of the catalogue could not be used"

    def _temporary_reasons(self) -> Iterator[str]:
        """Those that another run may not meet."""
        if self.error is not None and self.error.retryable:
            yield _broken_off(self.error)
        elif self.error is None and not self.ended:
            yield "the run ended before it did"
        if self.temporary_flaws:
            yield f"{self.temporary_flaws} documents could not be read now"
        for name, _ in self._ended_passes():
            latest, shown = self._latest(name), name or "the source"
            if latest.is_short and not self._is_accepted(name, self.passes[name]):
                told = CUT if latest.found >= (latest.most or 0) else f"announced {latest.most} items and"
                yield f"{shown} {told} gave {latest.found}"
            elif not self._is_settled(name) and (name in self.earlier or latest.least != latest.most):
                yield f"{shown} changed while it was read, {self.sweeps} times"
        if changed := self.changed + sum([one.changed for one in self.passes.values()]):
            yield f"{changed} items were changed while it was read: run again for the new ones"

    def receipt(self) -> dict[str, Any]:
        """The member "listing" of the receipt. Every record of the pages is accounted for: where no links
        were followed, unique = returned - left_out - repeated + vanished + linked."""
        passes = self.passes.values()
        return {
            "complete": self.complete,
            "reasons": self.reasons,
            "pages": self.pages,
            "matched": self.matched,
            "seen": self.seen,
            "unique": self.unique,
            "returned": self.returned,
            "left_out": sum(one.returned - one.items for one in passes),
            "repeated": sum(one.repeated + one.shared for one in passes),
            "linked": self.linked,
            "sweeps": self.sweeps,
            "vanished": self.vanished,
            "changed": self.changed,
            "fewer_than_announced": [
                {"listing": name, "announced": one.most, "found": one.found} for name, one in self.accepted
            ],
            **self.remarks.receipt,
        }


def _broken_off(error: MlhubError) -> str:
    kind = "" if error.kind == CatalogError.kind else f" ({error.kind})"
    return f"it broke off{kind}: {error.message}"


async def read_source(source: Source, emit: Emit, listing: Completeness) -> None:
    """List a source, then those of its listings that changed meanwhile, until they are the same twice.
    Why a listing broke off is put into `listing.error`."""
    try:
        await source.list(emit)
        while listing.sweeps < MAX_SWEEPS and (names := listing.listings_to_repeat()):
            listing.begin_sweep(names)
            await _read_again(source, emit, names)
        listing.ended = True
    except CatalogError as error:
        listing.error = error


async def _read_again(source: Source, emit: Emit, names: Sequence[str]) -> None:
    """A source that was usable before and is refused now is a listing that broke off."""
    try:
        await source.list(emit, names)
    except SourceError as error:
        raise CatalogError(f"the listing could not be read again: {error.message}") from error


def _page_of(entries: Sequence[Entry]) -> Page | None:
    return next((one for one in entries if isinstance(one, Page)), None)
