"""Which followed source items are wanted (`--source-query`, `--source-datetime`), and a remark on these."""

from __future__ import annotations

from ... import stac
from ...core.errors import UsageError
from ...core.model import Entry, Item, ListingRemarks
from ...core.options import SOURCE_CONDITIONS, Selection


class SourceChoice:
    """Decides on items that were read at source links, and counts them.

    Raises `UsageError` for conditions that cannot be decided. `defers`: what is followed has another filter
    of assets than what is listed, so it has to be known first whether an item is listed itself.
    """

    def __init__(self, selection: Selection) -> None:
        self._given = [name for name in SOURCE_CONDITIONS if getattr(selection, name)]
        self.defers = bool(selection.source_include or selection.source_exclude)
        chosen = selection.of_sources()
        try:
            self._admits = stac.item_filter(Selection(query=chosen.query, datetime=chosen.datetime))
        except UsageError as error:
            text = error.message.replace("--query", "--source-query")
            raise UsageError(text.replace("--datetime", "--source-datetime")) from error
        self._listed: set[int] = set()
        self._of_listing = ListingRemarks()
        self._followed = 0
        self._left_out = 0

    def note(self, entry: Entry) -> None:
        """Note an entry of the listing: an item that is listed itself is selected as such."""
        if isinstance(entry, ListingRemarks):
            self._of_listing = entry
        elif self.defers and isinstance(entry, Item):
            self._listed.add(hash((entry.collection, entry.id)))

    def wanted(self, item: Item) -> Item | None:
        """The item, marked as followed; None if it is left out, or listed itself."""
        self._followed += 1
        if not self._admits(item):
            self._left_out += 1
            return None
        if hash((item.collection, item.id)) in self._listed:
            return None
        return item._replace(followed=True)

    def remarks(self) -> ListingRemarks | None:
        """The remarks of the listing with what became of its source items; None where nobody chose among
        them."""
        if not self._given:
            return None
        inner = self._of_listing
        counts = {"followed": self._followed, "left_out": self._left_out}
        line = f"of {self._followed} source items {self._left_out} do not meet the conditions for them"
        if not self._followed:
            options = ", ".join(f"--{name.replace('_', '-')}" for name in self._given)
            line = f"{options}: no source imagery was followed"
        lines = (*inner.lines, line) if self._left_out or not self._followed else inner.lines
        return ListingRemarks({**inner.receipt, "source_items": counts}, lines)
